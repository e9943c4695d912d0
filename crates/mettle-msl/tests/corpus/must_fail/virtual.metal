// MSL 1.5.4 Restrictions: there are no virtual functions
// expect: virtual @7
#include <metal_stdlib>
using namespace metal;

struct Shape {
  virtual float area() const { return 0; }
};
kernel void use(device float* x [[buffer(0)]]) { x[0] = 1; }
