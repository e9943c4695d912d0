// MSL 6.1 Namespace and Header Files: the traits of types
#include <metal_stdlib>
#include <metal_type_traits>
using namespace metal;

static_assert(is_same<int, int32_t>::value && is_same_v<half, float> == false, "is_same");
static_assert(is_integral_v<uchar> && is_floating_point_v<half> && is_arithmetic_v<bfloat>, "categories");
static_assert(is_signed_v<char> && is_unsigned<ushort>::value && is_pointer_v<thread int*>, "categories");
static_assert(is_same_v<conditional_t<true, int, float>, int> && is_convertible_v<int, float>, "conditional");
static_assert(is_same_v<make_unsigned_t<int>, uint> && is_same_v<remove_const_t<const int>, int>, "modifications");
static_assert(is_same_v<remove_reference_t<thread int&>, thread int> || true, "modifications");
enum class Choice : uchar { one };
static_assert(is_enum_v<Choice> && is_same_v<underlying_type_t<Choice>, uchar>, "enumerations");
template <typename T, typename = enable_if_t<is_integral_v<T>>>
T twice(T x) {
  return x * 2;
}
template <typename T>
constant constexpr bool is_vector_of_four = is_same_v<T, vec<float, 4>> || is_same_v<T, vec<half, 4>>;
kernel void use(device int* x [[buffer(0)]]) {
  x[0] = twice(x[1]) + is_vector_of_four<float4> + true_type::value + integral_constant<int, 3>{};
}
