// Type traits: those <metal_type_traits> offers, and the few the library needs itself.
#pragma once

#include "types.h"

struct bfloat;

namespace metal {

template <class T, T Value>
struct integral_constant {
  static constexpr T value = Value;
  using value_type = T;
  using type = integral_constant;
  constexpr operator T() const { return Value; }
  constexpr T operator()() const { return Value; }
};
template <bool Value>
using bool_constant = integral_constant<bool, Value>;
using true_type = bool_constant<true>;
using false_type = bool_constant<false>;

// --- selection

template <bool Condition, class T = void>
struct enable_if {};
template <class T>
struct enable_if<true, T> {
  using type = T;
};
template <bool Condition, class T = void>
using enable_if_t = typename enable_if<Condition, T>::type;

template <bool Condition, class Then, class Else>
struct conditional {
  using type = Then;
};
template <class Then, class Else>
struct conditional<false, Then, Else> {
  using type = Else;
};
template <bool Condition, class Then, class Else>
using conditional_t = typename conditional<Condition, Then, Else>::type;

// --- relations

template <class A, class B>
inline constexpr bool is_same_v = __is_same(A, B);
template <class A, class B>
struct is_same : bool_constant<__is_same(A, B)> {};

template <class From, class To>
inline constexpr bool is_convertible_v = __is_convertible_to(From, To);
template <class From, class To>
struct is_convertible : bool_constant<__is_convertible_to(From, To)> {};

template <class Base, class Derived>
inline constexpr bool is_base_of_v = __is_base_of(Base, Derived);
template <class Base, class Derived>
struct is_base_of : bool_constant<__is_base_of(Base, Derived)> {};

// --- modifications

template <class T>
struct remove_const {
  using type = T;
};
template <class T>
struct remove_const<const T> {
  using type = T;
};
template <class T>
struct remove_volatile {
  using type = T;
};
template <class T>
struct remove_volatile<volatile T> {
  using type = T;
};
template <class T>
struct remove_reference {
  using type = T;
};
template <class T>
struct remove_reference<T&> {
  using type = T;
};
template <class T>
struct remove_reference<T&&> {
  using type = T;
};
template <class T>
struct remove_pointer {
  using type = T;
};
template <class T>
struct remove_pointer<T*> {
  using type = T;
};
template <class T>
struct remove_pointer<T* const> {
  using type = T;
};
template <class T>
struct remove_extent {
  using type = T;
};
template <class T, size_t Size>
struct remove_extent<T[Size]> {
  using type = T;
};
template <class T>
struct remove_extent<T[]> {
  using type = T;
};

template <class T>
using remove_const_t = typename remove_const<T>::type;
template <class T>
using remove_volatile_t = typename remove_volatile<T>::type;
template <class T>
using remove_reference_t = typename remove_reference<T>::type;
template <class T>
using remove_pointer_t = typename remove_pointer<T>::type;
template <class T>
using remove_extent_t = typename remove_extent<T>::type;
template <class T>
using remove_cv_t = remove_const_t<remove_volatile_t<T>>;
template <class T>
using remove_cvref_t = remove_cv_t<remove_reference_t<T>>;
template <class T>
using decay_t = remove_cvref_t<T>;
// Address spaces are erased before this library sees a type.
template <class T>
using remove_addrspace_t = T;

template <class T>
struct remove_cv {
  using type = remove_cv_t<T>;
};
template <class T>
struct remove_cvref {
  using type = remove_cvref_t<T>;
};
template <class T>
struct decay {
  using type = decay_t<T>;
};
template <class T>
struct remove_addrspace {
  using type = T;
};

template <class T>
struct make_signed {
  using type = __make_signed(T);
};
template <class T>
using make_signed_t = typename make_signed<T>::type;
template <class T>
struct make_unsigned {
  using type = __make_unsigned(T);
};
template <class T>
using make_unsigned_t = typename make_unsigned<T>::type;

template <class T>
struct underlying_type {
  using type = __underlying_type(T);
};
template <class T>
using underlying_type_t = typename underlying_type<T>::type;

// --- categories

template <class T>
inline constexpr bool is_integral_v = __is_integral(T);
template <class T>
inline constexpr bool is_floating_point_v = __is_floating_point(T) || is_same_v<remove_cv_t<T>, bfloat>;
template <class T>
inline constexpr bool is_arithmetic_v = is_integral_v<T> || is_floating_point_v<T>;
template <class T>
inline constexpr bool is_signed_v = __is_signed(T) || is_same_v<remove_cv_t<T>, bfloat>;
template <class T>
inline constexpr bool is_unsigned_v = __is_unsigned(T);
template <class T>
inline constexpr bool is_enum_v = __is_enum(T);
template <class T>
inline constexpr bool is_scalar_v = is_arithmetic_v<T> || __is_enum(T) || __is_pointer(T);

#define METTLE_TRAIT(name, test)    \
  template <class T>                \
  inline constexpr bool name##_v = test; \
  template <class T>                \
  struct name : bool_constant<test> {}

template <class T>
struct is_integral : bool_constant<is_integral_v<T>> {};
template <class T>
struct is_floating_point : bool_constant<is_floating_point_v<T>> {};
template <class T>
struct is_arithmetic : bool_constant<is_arithmetic_v<T>> {};
template <class T>
struct is_signed : bool_constant<is_signed_v<T>> {};
template <class T>
struct is_unsigned : bool_constant<is_unsigned_v<T>> {};
template <class T>
struct is_enum : bool_constant<is_enum_v<T>> {};
template <class T>
struct is_scalar : bool_constant<is_scalar_v<T>> {};

METTLE_TRAIT(is_void, __is_void(T));
METTLE_TRAIT(is_array, __is_array(T));
METTLE_TRAIT(is_pointer, __is_pointer(T));
METTLE_TRAIT(is_lvalue_reference, __is_lvalue_reference(T));
METTLE_TRAIT(is_rvalue_reference, __is_rvalue_reference(T));
METTLE_TRAIT(is_reference, __is_reference(T));
METTLE_TRAIT(is_class, __is_class(T));
METTLE_TRAIT(is_union, __is_union(T));
METTLE_TRAIT(is_function, __is_function(T));
METTLE_TRAIT(is_const, __is_const(T));
METTLE_TRAIT(is_volatile, __is_volatile(T));
METTLE_TRAIT(is_trivial, __is_trivial(T));
METTLE_TRAIT(is_trivially_copyable, __is_trivially_copyable(T));
METTLE_TRAIT(is_standard_layout, __is_standard_layout(T));

#undef METTLE_TRAIT

template <class T, class... Arguments>
struct is_constructible : bool_constant<__is_constructible(T, Arguments...)> {};
template <class T, class... Arguments>
inline constexpr bool is_constructible_v = __is_constructible(T, Arguments...);

// --- utilities

template <class T>
T&& declval();

// The names under which Apple's headers keep these; some sources use them.
template <class... B>
struct _disjunction : bool_constant<(B::value || ...)> {};
template <class... B>
struct _conjunction : bool_constant<(B::value && ...)> {};
template <class B>
struct _negation : bool_constant<!B::value> {};

}  // namespace metal

namespace mettle {

// Keeps a parameter out of template argument deduction, so that its argument may convert.
template <class T>
struct identity {
  using type = T;
};
template <class T>
using identity_t = typename identity<T>::type;

// What converts to a vector's component: an arithmetic type or an enumeration.
template <class T>
inline constexpr bool is_number = metal::is_arithmetic_v<T> || __is_enum(T);

// The integers as wide as a value of `size` bytes.
template <int Size>
struct integers;
template <>
struct integers<1> {
  using signed_type = signed char;
  using unsigned_type = uchar;
};
template <>
struct integers<2> {
  using signed_type = short;
  using unsigned_type = ushort;
};
template <>
struct integers<4> {
  using signed_type = int;
  using unsigned_type = uint;
};
template <>
struct integers<8> {
  using signed_type = long;
  using unsigned_type = ulong;
};
template <class T>
using bits_of = typename integers<sizeof(T)>::unsigned_type;

}  // namespace mettle
