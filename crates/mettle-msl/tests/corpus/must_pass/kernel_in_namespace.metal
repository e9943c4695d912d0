// MSL 5.1 Functions: kernels stand in namespaces
#include <metal_stdlib>
using namespace metal;

namespace outer {
namespace inner {
[[kernel]] void run(device float* x [[buffer(0)]]) { x[0] = 1; }
}
}
