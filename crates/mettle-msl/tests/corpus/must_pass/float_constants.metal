// MSL 6.5 Math Functions: constants of float, half and bfloat
#include <metal_stdlib>
using namespace metal;

constant float floats[] = {MAXFLOAT, HUGE_VALF, INFINITY, NAN, M_E_F, M_LOG2E_F, M_LOG10E_F, M_LN2_F, M_LN10_F, M_PI_F,
                           M_PI_2_F, M_PI_4_F, M_1_PI_F, M_2_PI_F, M_2_SQRTPI_F, M_SQRT2_F, M_SQRT1_2_F};
constant half halfs[] = {MAXHALF, HUGE_VALH, M_E_H, M_LOG2E_H, M_LOG10E_H, M_LN2_H, M_LN10_H, M_PI_H, M_PI_2_H,
                         M_PI_4_H, M_1_PI_H, M_2_PI_H, M_2_SQRTPI_H, M_SQRT2_H, M_SQRT1_2_H};
constant bfloat bfloats[] = {MAXBFLOAT, HUGE_VALBF, M_E_BF, M_LOG2E_BF, M_LOG10E_BF, M_LN2_BF, M_LN10_BF, M_PI_BF,
                             M_PI_2_BF, M_PI_4_BF, M_1_PI_BF, M_2_PI_BF, M_2_SQRTPI_BF, M_SQRT2_BF, M_SQRT1_2_BF};
kernel void use(device float* x [[buffer(0)]], uint i [[thread_position_in_grid]]) {
  x[i] = floats[i % 17] + halfs[i % 15] + bfloats[i % 15];
}
