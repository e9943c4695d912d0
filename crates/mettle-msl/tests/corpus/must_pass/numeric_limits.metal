// MSL 2.1 Scalar Data Types: numeric_limits of every scalar type, and the macros of limits
#include <metal_stdlib>
#include <metal_limits>
using namespace metal;

static_assert(numeric_limits<char>::max() == CHAR_MAX && numeric_limits<uchar>::max() == UCHAR_MAX, "8 bits");
static_assert(numeric_limits<short>::min() == SHRT_MIN && numeric_limits<ushort>::max() == USHRT_MAX, "16 bits");
static_assert(numeric_limits<int>::lowest() == INT_MIN && numeric_limits<uint>::max() == UINT_MAX, "32 bits");
static_assert(numeric_limits<long>::max() == LONG_MAX && numeric_limits<ulong>::max() == ULONG_MAX, "64 bits");
static_assert(numeric_limits<float>::digits == FLT_MANT_DIG && numeric_limits<half>::digits == HALF_MANT_DIG, "floats");
static_assert(numeric_limits<float>::has_infinity && !numeric_limits<int>::is_iec559, "infinity");
kernel void use(device float* x [[buffer(0)]]) {
  x[0] = numeric_limits<float>::max() + numeric_limits<float>::min() + numeric_limits<float>::epsilon() + FLT_EPSILON;
  x[1] = numeric_limits<half>::lowest() + numeric_limits<half>::infinity() + HALF_MAX + numeric_limits<half>::denorm_min();
  x[2] = float(numeric_limits<bfloat>::max()) + float(numeric_limits<bfloat>::quiet_NaN());
}
