// MSL 1.5.2 Templates: templates take parameter packs
#include <metal_stdlib>
using namespace metal;

template <typename T>
T total(T x) { return x; }
template <typename T, typename... Rest>
T total(T first, Rest... rest) { return first + total(rest...); }
kernel void use(device float* x [[buffer(0)]]) {
  x[0] = total(x[0], x[1], x[2], x[3]);
}
