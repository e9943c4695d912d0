// MSL 1.5.4 Restrictions: a function is deleted or defaulted
#include <metal_stdlib>
using namespace metal;

struct Once {
  float v;
  Once() = default;
  Once(float x) : v(x) {}
  void reset() = delete;
};
kernel void use(device float* x [[buffer(0)]]) {
  Once once(x[0]);
  x[0] = once.v;
}
