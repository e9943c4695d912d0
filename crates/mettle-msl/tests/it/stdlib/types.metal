// Checks of types, conversions and operators. Each kernel is run by one thread; it writes how many checks failed, and
// the lines of those that did. Operands come from a buffer, so that the compiler computes nothing ahead.
#include <metal_stdlib>
using namespace metal;

struct Failures {
  uint count;
  uint lines[63];
};

// Writes the line where `condition` is false.
#define CHECK(condition)                                                                \
  do {                                                                                  \
    if (!(condition)) {                                                                 \
      if (failures.count < 63) failures.lines[failures.count] = __LINE__;               \
      failures.count += 1;                                                              \
    }                                                                                   \
  } while (false)

#define EQUAL(a, b) CHECK(all((a) == (b)))

// number[i] == i.
#define TEST(name) \
  kernel void name(device Failures& failures [[buffer(0)]], device const float* number [[buffer(1)]])

// --- layout

static_assert(sizeof(bool2) == 2 && sizeof(bool3) == 4 && sizeof(bool4) == 4, "bool vectors");
static_assert(sizeof(char2) == 2 && sizeof(char3) == 4 && sizeof(char4) == 4, "char vectors");
static_assert(sizeof(ushort2) == 4 && sizeof(ushort3) == 8 && sizeof(ushort4) == 8, "ushort vectors");
static_assert(sizeof(int2) == 8 && sizeof(int3) == 16 && sizeof(int4) == 16, "int vectors");
static_assert(sizeof(ulong2) == 16 && sizeof(ulong3) == 32 && sizeof(ulong4) == 32, "ulong vectors");
static_assert(sizeof(half2) == 4 && sizeof(half3) == 8 && sizeof(half4) == 8, "half vectors");
static_assert(sizeof(bfloat2) == 4 && sizeof(bfloat3) == 8 && sizeof(bfloat4) == 8, "bfloat vectors");
static_assert(sizeof(float2) == 8 && sizeof(float3) == 16 && sizeof(float4) == 16, "float vectors");
static_assert(alignof(float2) == 8 && alignof(float3) == 16 && alignof(half3) == 8 && alignof(char3) == 4, "alignment");
static_assert(alignof(long4) == 32 && alignof(bool3) == 4 && alignof(bfloat4) == 8, "alignment");
static_assert(sizeof(packed_float3) == 12 && alignof(packed_float3) == 4, "packed");
static_assert(sizeof(packed_half3) == 6 && alignof(packed_half3) == 2, "packed");
static_assert(sizeof(packed_char3) == 3 && alignof(packed_char4) == 1, "packed");
static_assert(sizeof(packed_ulong2) == 16 && alignof(packed_ulong2) == 8, "packed");
static_assert(sizeof(float2x2) == 16 && sizeof(float3x3) == 48 && sizeof(float4x3) == 64, "matrices");
static_assert(sizeof(half2x4) == 16 && alignof(half3x3) == 8 && alignof(float3x2) == 8, "matrices");

struct Mixed {
  float a;
  float3 b;
  packed_float3 c;
  half d;
  uchar e[3];
  float2 f;
};
static_assert(sizeof(Mixed) == 64 && offsetof(Mixed, b) == 16 && offsetof(Mixed, c) == 32, "struct");
static_assert(offsetof(Mixed, d) == 44 && offsetof(Mixed, e) == 46 && offsetof(Mixed, f) == 56, "struct");

// --- vectors

TEST(constructors) {
  const float one = number[1], two = number[2], three = number[3], four = number[4];
  const float2 xy(one, two);
  const float3 xyz(xy, three);
  EQUAL(float4(one), float4(1, 1, 1, 1));
  EQUAL(float4(xy, three, four), float4(1, 2, 3, 4));
  EQUAL(float4(one, xy, four), float4(1, 1, 2, 4));
  EQUAL(float4(three, four, xy), float4(3, 4, 1, 2));
  EQUAL(float4(xy, xy), float4(1, 2, 1, 2));
  EQUAL(float4(xyz, four), float4(1, 2, 3, 4));
  EQUAL(float4(four, xyz), float4(4, 1, 2, 3));
  EQUAL(float3(one, xy), float3(1, 1, 2));
  EQUAL(float4(packed_float3(xyz), four), float4(1, 2, 3, 4));
  EQUAL(int4(one, 2.9f, 3u, true), int4(1, 2, 3, 1));
  const float4 braces = {one, two, three, four};
  EQUAL(braces, float4(1, 2, 3, 4));
  const float4 zero = {};
  EQUAL(zero, float4(0));
  const uint4 part = {uint(two), 3};
  EQUAL(part, uint4(2, 3, 0, 0));
  float4 splat = two;
  EQUAL(splat, float4(2));
  splat = 3;
  EQUAL(splat, float4(3));
  const float2 table[2] = {float2(one, two), {three, four}};
  EQUAL(table[1], float2(3, 4));
}

TEST(swizzles) {
  const float4 v(number[1], number[2], number[3], number[4]);
  CHECK(v.x == 1 && v.y == 2 && v.z == 3 && v.w == 4);
  CHECK(v.r == 1 && v.g == 2 && v.b == 3 && v.a == 4);
  EQUAL(v.wzyx, float4(4, 3, 2, 1));
  EQUAL(v.xxyy, float4(1, 1, 2, 2));
  EQUAL(v.bgr, float3(3, 2, 1));
  EQUAL(v.yw, float2(2, 4));
  EQUAL(v.xyz.zy, float2(3, 2));
  EQUAL((v + v).yx, float2(4, 2));
  EQUAL(v.xy.yxyx, float4(2, 1, 2, 1));

  float4 w = v;
  w.xy = v.zw;
  EQUAL(w, float4(3, 4, 3, 4));
  w.zw = w.xy + 1;
  EQUAL(w, float4(3, 4, 4, 5));
  w.wzyx = v;
  EQUAL(w, float4(4, 3, 2, 1));
  w.xy = w.yx;
  EQUAL(w, float4(3, 4, 2, 1));
  w.zw = w.zw;
  w.xyz *= 2;
  EQUAL(w, float4(6, 8, 4, 1));
  w.rg += float2(1, 2);
  EQUAL(w, float4(7, 10, 4, 1));
  w.a = 9;
  w.x++;
  w.y -= 3;
  EQUAL(w, float4(8, 7, 4, 9));
  w.yz = 0;
  EQUAL(w, float4(8, 0, 0, 9));
  half3 h = half3(v.xyz);
  h.zx = h.xz;
  EQUAL(h, half3(3, 2, 1));
}

template <typename T, int N>
T sum_of(vec<T, N> v) {
  T sum = v[0];
  for (int i = 1; i < N; i++) sum += v[i];
  return sum;
}
template <typename T>
T doubled(T x) {
  return x + x;
}

TEST(elements_and_deduction) {
  float4 v(number[1], number[2], number[3], number[4]);
  for (int i = 0; i < 4; i++) v[i] *= number[2];
  EQUAL(v, float4(2, 4, 6, 8));
  const int last = int(number[3]);
  v[last] = 1;
  CHECK(v[last] == 1 && v.w == 1);
  CHECK(sum_of(v) == 13 && sum_of(v.xy) == 6 && sum_of(bfloat3(v.xyz)) == bfloat(12));
  EQUAL(doubled(v.yz), float2(8, 12));
  const auto part = v.zy;
  EQUAL(part.yx, float2(4, 6));
  device const float4* vectors = (device const float4*)number;
  EQUAL(vectors[1], float4(4, 5, 6, 7));
  EQUAL(vectors[0].zw, float2(2, 3));
  bool4 flags = false;
  flags[2] = true;
  CHECK(flags.z && !flags[last]);
}

TEST(arithmetic) {
  const float4 a(number[1], number[2], number[3], number[4]), b(number[4]);
  EQUAL(a + b, float4(5, 6, 7, 8));
  EQUAL(1 - a, float4(0, -1, -2, -3));
  EQUAL(a * 2.0h, float4(2, 4, 6, 8));
  EQUAL(b / a, float4(4, 2, 4.0f / 3, 1));
  EQUAL(-a, float4(-1, -2, -3, -4));
  float4 c = a;
  c += b;
  c *= 0.5f;
  c -= 1;
  c /= 2;
  EQUAL(c, float4(0.75f, 1, 1.25f, 1.5f));
  EQUAL(++c, float4(1.75f, 2, 2.25f, 2.5f));
  EQUAL(c--, float4(1.75f, 2, 2.25f, 2.5f));
  EQUAL(c, float4(0.75f, 1, 1.25f, 1.5f));

  // Components are not promoted: bytes wrap at 256, halves round at every step.
  const uchar4 bytes = uchar4(a * 100);
  EQUAL(bytes, uchar4(100, 200, 44, 144));
  EQUAL(bytes + bytes, uchar4(200, 144, 88, 32));
  EQUAL(char4(100) + char4(100), char4(-56));
  const half2 h = half2(half(2048), half(number[1]));
  EQUAL(h + 1.0h, half2(2048, 2));
  const half big = half(number[4] * 512);
  CHECK(big + 1.0h - big == 0);

  const int4 i = int4(a * 3);
  EQUAL(i % 4, int4(3, 2, 1, 0));
  EQUAL((i & 6) | 1, int4(3, 7, 1, 5));
  EQUAL(i ^ int4(1), int4(2, 7, 8, 13));
  EQUAL(~i, int4(-4, -7, -10, -13));
  EQUAL(i << 2, int4(12, 24, 36, 48));
  EQUAL(i << uint4(0, 1, 2, 33), int4(3, 12, 36, 24));
  EQUAL(-i >> 1, int4(-2, -3, -5, -6));
  EQUAL(uint4(i) >> 1, uint4(1, 3, 4, 6));
  int4 j = i;
  j <<= 1;
  j |= 1;
  j %= 5;
  EQUAL(j, int4(2, 3, 4, 0));
}

TEST(comparisons) {
  const float4 a(number[1], number[2], number[3], number[4]), b(number[3]);
  EQUAL(a < b, bool4(true, true, false, false));
  EQUAL(a <= b, bool4(true, true, true, false));
  EQUAL(a > 2, bool4(false, false, true, true));
  EQUAL(a >= 2, bool4(false, true, true, true));
  EQUAL(a == b, bool4(false, false, true, false));
  EQUAL(a != b, bool4(true, true, false, true));
  EQUAL(a < b || a == 4, bool4(true, true, false, true));
  EQUAL(a < b && a > 1, bool4(false, true, false, false));
  EQUAL(!(a < b), bool4(false, false, true, true));
  EQUAL(uint3(a.xyz) > 1u, bool3(false, true, true));
  EQUAL(bfloat2(a.xy) < bfloat(2), bool2(true, false));
  CHECK(any(a == 4) && !all(a == 4) && all(a > 0) && !any(a > 5));
  const float2 nan = float2(NAN, number[1]);
  EQUAL(nan == nan, bool2(false, true));
  EQUAL(nan != nan, bool2(true, false));
  EQUAL(isnan(nan), bool2(true, false));
}

TEST(conversions) {
  const float4 a = float4(number[1], number[2], number[3], number[4]) * 1.75f;
  EQUAL(int4(a), int4(1, 3, 5, 7));
  EQUAL(int4(-a), int4(-1, -3, -5, -7));
  EQUAL(uchar4(a), uchar4(1, 3, 5, 7));
  EQUAL((float4)int4(a), float4(1, 3, 5, 7));
  EQUAL(half4(a), half4(1.75h, 3.5h, 5.25h, 7));
  EQUAL(float4(half4(a)), a);
  EQUAL(static_cast<float4>(bfloat4(a)), a);
  EQUAL(half4(bfloat4(a)), half4(a));
  EQUAL(bool4(a - 1.75f), bool4(false, true, true, true));
  EQUAL(float4(a > 4), float4(0, 0, 1, 1));
  EQUAL(uint4(int4(-a)), uint4(-1, -3, -5, -7));
  EQUAL(char4(short4(300, -300, 127, 128)), char4(44, -44, 127, -128));
  EQUAL(long2(int2(-a.xy)), long2(-1, -3));
  EQUAL(as_type<uint2>(float2(1, -2)), uint2(0x3f800000, 0xc0000000));
  CHECK(as_type<ushort>(half(number[1])) == 0x3c00);
  CHECK(as_type<ushort>(bfloat(number[1])) == 0x3f80);
  CHECK(as_type<float>(0x40490fdbu) == M_PI_F);
  EQUAL(as_type<uchar4>(0x04030201u), uchar4(1, 2, 3, 4));
  EQUAL(as_type<half2>(as_type<uint>(half2(1, 2))), half2(1, 2));
  EQUAL(select(a, float4(0), a > 4), float4(1.75f, 3.5f, 0, 0));
  EQUAL(select(int2(1, 2), 7, bool2(true, false)), int2(7, 2));
  EQUAL(select(half3(1, 2, 3), half3(4, 5, 6), bool3(false, true, false)), half3(1, 5, 3));
  CHECK(select(1, 2, number[1] > 0) == 2);
}

// --- packed vectors

TEST(packed) {
  packed_float3 p(number[1], number[2], number[3]);
  const float3 v = p;
  EQUAL(v, float3(1, 2, 3));
  EQUAL(p * 2, float3(2, 4, 6));
  EQUAL(p + v, float3(2, 4, 6));
  EQUAL(v - p, float3(0));
  EQUAL(p + p, float3(2, 4, 6));
  EQUAL(-p, float3(-1, -2, -3));
  CHECK(p.x == 1 && p[1] == 2 && p.b == 3);
  EQUAL(p.zyx, float3(3, 2, 1));
  p.xy = p.yx;
  p[2] = 7;
  p.x += 1;
  EQUAL(float3(p), float3(3, 1, 7));
  p = v;
  p *= 3;
  EQUAL(float3(p), float3(3, 6, 9));
  CHECK(all(p == float3(3, 6, 9)) && dot(p, p) == 126);
  EQUAL(max(p, 4), float3(4, 6, 9));
  EQUAL(half3(p), half3(3, 6, 9));
  device const packed_float3* threes = (device const packed_float3*)number;
  EQUAL(float3(threes[1]), float3(3, 4, 5));
  packed_half2 h = packed_half2(half2(1, 2));
  h.y = 5;
  EQUAL(half2(h), half2(1, 5));
}

// --- bfloat

TEST(bfloats) {
  const float one = number[1];
  // Round to nearest, ties to even; eight significant bits.
  CHECK(float(bfloat(one + 0x1p-8f)) == 1);
  CHECK(float(bfloat(one + 0x1.8p-8f)) == 1 + 0x1p-7f);
  CHECK(float(bfloat(one + 0x3p-8f)) == 1 + 0x1p-6f);
  CHECK(float(bfloat(-one - 0x1.02p-8f)) == -1 - 0x1p-7f);
  CHECK(as_type<ushort>(bfloat(one * FLT_MAX)) == 0x7f80);
  CHECK(as_type<ushort>(bfloat(one * INFINITY)) == 0x7f80);
  CHECK(isnan(bfloat(as_type<float>(as_type<uint>(one) | 0x7f800001u))));
  bfloat a = bfloat(number[3]);
  a += 1;
  a *= a;
  CHECK(a == 16 && a > bfloat(15) && !(a < one));
  CHECK(a / 3 == bfloat(16.0f / 3.0f));
  CHECK(a * 0.1f == 16 * 0.1f);
  CHECK(half(a) == 16.0h && int(a) == 16 && bfloat(half(2.5h)) == bfloat(2.5f));
  CHECK(bfloat(256) + bfloat(1) == bfloat(256) && 256.0f + bfloat(1) == 257);
  CHECK(-a == bfloat(-16) && sqrt(a) == bfloat(4) && max(a, bfloat(1)) == a);
  bfloat4 v = bfloat4(a);
  v.x = 1;
  v = v * v + bfloat(1);
  EQUAL(v, bfloat4(2, 256, 256, 256));
  const bfloat3 nan = bfloat3(NAN, 1, 2);
  EQUAL(isnan(float3(nan + bfloat3(one))), bool3(true, false, false));
  // Metal has no functions of bfloat: it becomes a float, and so does the result.
  CHECK((is_same_v<decltype(exp(a)), float>) && exp(bfloat(one)) == exp(one));
  CHECK((is_same_v<decltype(max(a, a)), float>) && (is_same_v<decltype(a * a), bfloat>));
  CHECK((is_same_v<decltype(a * 1), bfloat>) && (is_same_v<decltype(a * one), float>));
  CHECK(isnan(bfloat(NAN)) && fract(bfloat(2.5f)) == 0.5f && uint(bfloat(7.9f)) == 7);
  const float implicit = bfloat(3);
  CHECK(implicit == 3);
  bfloat counter = 254;
  CHECK(counter++ == 254 && ++counter == 256 && counter-- == 256 && bool(counter));
}

// --- matrices

TEST(matrices) {
  const float2x3 m(float3(number[1], number[2], number[3]), float3(number[4], number[5], number[6]));
  EQUAL(m[1], float3(4, 5, 6));
  CHECK(m[0][2] == 3 && m[1].y == 5);
  EQUAL(m * float2(1, 2), float3(9, 12, 15));
  EQUAL(float3(1, 2, 3) * m, float2(14, 32));
  const float3x2 t = transpose(m);
  EQUAL(t[2], float2(3, 6));
  const float2x2 product = t * m;
  EQUAL(product[0], float2(14, 32));
  EQUAL(product[1], float2(32, 77));
  CHECK(determinant(product) == 14 * 77 - 32 * 32);
  CHECK(float2x2(1, 2, 3, 4) == float2x2(float2(1, 2), float2(3, 4)));
  CHECK(float3x3(2.0f) * float3x3(0.5f) == float3x3(1.0f));
  CHECK(determinant(float3x3(float3(2, 0, 1), float3(1, 3, 2), float3(1, 1, 1))) == 0);
  CHECK(determinant(float4x4(2.0f)) == 16);
  float2x2 n = product - float2x2(1.0f);
  n *= 2;
  n += float2x2(1.0f);
  EQUAL(n[0], float2(27, 64));
  EQUAL((n * 2.0f - n)[1], float2(64, 153));
  n[1] = float2(5);
  n[1].x = 4;
  EQUAL(n[1], float2(4, 5));
  CHECK(float2x2(half2x2(n)) == n);
}

// --- the rest

TEST(geometry) {
  const float3 a(number[1], number[2], number[2]), b(number[2], 0, number[1]);
  CHECK(dot(a, b) == 4 && length(a) == 3 && length_squared(a) == 9 && distance(a, b) == sqrt(6.0f));
  EQUAL(cross(a, b), float3(2, 3, -4));
  CHECK(abs(length(normalize(a)) - 1) < 1e-6f);
  EQUAL(reflect(float2(1, -1), float2(0, 1)), float2(1, 1));
  EQUAL(refract(float2(0, -1), float2(0, 1), 1.5f), float2(0, -1));
  EQUAL(refract(half2(1, 0), half2(0, 1), 1.5h), half2(0, 0));
  EQUAL(faceforward(a, b, b), -a);
  CHECK(dot(half2(a.xy), half2(1, 2)) == 5.0h);
}

TEST(limits_and_constants) {
  CHECK(numeric_limits<float>::max() == FLT_MAX && numeric_limits<float>::lowest() == -FLT_MAX);
  CHECK(numeric_limits<half>::max() == HALF_MAX && numeric_limits<half>::epsilon() == HALF_EPSILON);
  CHECK(numeric_limits<int>::max() == INT_MAX && numeric_limits<short>::lowest() == SHRT_MIN);
  CHECK(numeric_limits<uchar>::max() == UCHAR_MAX && numeric_limits<ulong>::max() == ULONG_MAX);
  CHECK(isinf(numeric_limits<bfloat>::infinity()) && isnan(numeric_limits<float>::quiet_NaN()));
  CHECK(isinf(-INFINITY) && isnan(NAN) && MAXFLOAT == FLT_MAX && HUGE_VALF == INFINITY);
  CHECK(isfinite(number[1]) && isnormal(number[1]) && !isnormal(FLT_MIN / 2) && signbit(-number[0]));
  CHECK(isnormal(HALF_MIN) && !isnormal(HALF_MIN / 2) && isunordered(number[0], NAN));
  CHECK(abs(M_PI_F - 3.14159265f) < 1e-7f && M_PI_H == half(M_PI_F) && M_SQRT2_F == sqrt(number[2]));
}

TEST(packing) {
  CHECK(pack_float_to_unorm4x8(float4(0, 1, number[1] / 2, 2)) == 0xff80ff00);
  CHECK(pack_float_to_snorm4x8(float4(0, 1, -number[1], -2)) == 0x81817f00);
  EQUAL(unpack_unorm4x8_to_float(0xff80ff00), float4(0, 1, 128.0f / 255, 1));
  EQUAL(unpack_snorm4x8_to_float(0x80817f00), float4(0, 1, -1, -1));
  CHECK(pack_half_to_unorm2x16(half2(0, 1)) == 0xffff0000);
  EQUAL(unpack_snorm2x16_to_float(0x7fff8000), float2(-1, 1));
  EQUAL(unpack_unorm2x16_to_half(0xffff0000), half2(0, 1));
  CHECK(pack_float_to_unorm10a2(float4(0, 1, number[1] / 2, 1)) == 0xe00ffc00);
  EQUAL(unpack_unorm10a2_to_float(0xe00ffc00), float4(0, 1, 512.0f / 1023, 1));
  CHECK(pack_half_to_snorm10a2(half4(0, 1, -1, -1)) == 0xe017fc00);
  EQUAL(unpack_snorm10a2_to_half(0xe017fc00), half4(0, 1, -1, -1));
  CHECK(pack_float_to_unorm565(float3(1, 0, number[1])) == 0xf81f);
  EQUAL(unpack_unorm565_to_float(0x07e0), float3(0, 1, 0));
  CHECK(pack_float_to_srgb_unorm4x8(float4(0, 1, 0.5f, number[1] / 2)) == 0x80bcff00);
  EQUAL(unpack_unorm4x8_srgb_to_float(0x80ff0a00).xyz, float3(0, 10.0f / 255 / 12.92f, 1));
}

TEST(values) {
  array<float, 3> three = {number[1], number[2], number[3]};
  three[1] = 5;
  float sum = 0;
  for (float x : three) sum += x;
  CHECK(sum == 9 && three.size() == 3 && three.back() == 3);
  const float shared_value = make_uniform(number[2]);
  CHECK(shared_value == 2);
  CHECK((is_same_v<float4::element_type, float>) && (is_same<conditional_t<true, half, float>, half>::value));
  CHECK(is_integral_v<uchar> && is_floating_point_v<bfloat> && !is_floating_point<int>::value && is_signed_v<char>);
  CHECK(is_signed_v<half> && is_unsigned_v<ushort> && is_arithmetic<bfloat>::value);
}

// What masks rely on, in every mode.
TEST(infinities) {
  const float minus = number[1] * -INFINITY, plus = number[1] * INFINITY;
  CHECK(exp(minus) == 0 && fast::exp(minus) == 0 && precise::exp(minus) == 0 && exp2(minus) == 0);
  CHECK(fast::exp2(minus) == 0 && fast::exp(-1e30f * number[1]) == 0 && fast::exp(-100 * number[1]) == 0);
  CHECK(exp(plus) == plus && fast::exp(plus) == plus && fast::exp2(plus) == plus && fast::exp(number[9] * 10) == plus);
  CHECK(isnan(fast::exp(minus - minus)) && isnan(fast::exp2(minus - minus)) && isnan(exp(minus - minus)));
  CHECK(log(number[0]) == minus && fast::log(number[0]) == minus && isnan(log(-number[1])) && log(plus) == plus);
  CHECK(fast::exp(half(minus)) == 0.0h && max(minus, number[1]) == 1 && min(plus, number[1]) == 1);
  CHECK(max(minus, minus) == minus && tanh(plus) == 1 && fast::tanh(minus) == -1 && rsqrt(plus) == 0);
}

// Functions that take scalars and vectors together, and packed vectors.
TEST(mixed_arguments) {
  const float3 v(number[1], number[5], number[9]);
  EQUAL(clamp(v, 2.0f, 6.0f), float3(2, 5, 6));
  EQUAL(max(v, 4), float3(4, 5, 9));
  EQUAL(min(4, v), float3(1, 4, 4));
  EQUAL(mix(v, float3(0), 0.5f), v / 2);
  EQUAL(pow(v, 2.0f), float3(1, 25, 81));
  EQUAL(fma(v, 2, 1.0f), float3(3, 11, 19));
  EQUAL(step(5.0f, v), float3(0, 1, 1));
  EQUAL(metal::abs(-v), v);
  EQUAL(fast::min(v, 3.0f), float3(1, 3, 3));
  EQUAL(precise::sqrt(packed_float3(v)), float3(1, sqrt(5.0f), 3));
  EQUAL(min(int3(v), 4), int3(1, 4, 4));
  EQUAL(clamp(uchar2(1, 200), uchar(2), uchar(100)), uchar2(2, 100));
  int3 n;
  EQUAL(ldexp(frexp(v, n), n), v);
  EQUAL(n, int3(1, 3, 4));
  float3 c;
  EQUAL(sincos(v, c), sin(v));
  EQUAL(c, cos(v));
  CHECK(max(number[1], number[2]) == 2 && min(3u, 4u) == 3 && max(half(1), 2.0h) == 2.0h);
  CHECK(max3(1, 3, 2) == 3 && median3(1, 3, 2) == 2 && fmin3(1.0f, 3.0f, 2.0f) == 1);
}
