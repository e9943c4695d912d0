// MSL 5.3 Storage Class Specifiers: functions may be static and inline
#include <metal_stdlib>
using namespace metal;

static inline float one() { return 1; }
inline float two() { return 2; }
METAL_FUNC float three() { return 3; }
constexpr float four() { return 4; }
kernel void use(device float* x [[buffer(0)]]) { x[0] = one() + two() + three() + four(); }
