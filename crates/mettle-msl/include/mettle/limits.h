// numeric_limits of <metal_limits>.
#pragma once

#include "bfloat.h"

namespace mettle {

template <class T>
struct no_limits {
  static constexpr bool is_specialized = false;
};

template <class T>
struct integer_limits {
  static constexpr bool is_specialized = true;
  static constexpr bool is_signed = metal::is_signed_v<T>;
  static constexpr bool is_integer = true;
  static constexpr bool is_exact = true;
  static constexpr bool has_infinity = false;
  static constexpr bool has_quiet_NaN = false;
  static constexpr bool has_signaling_NaN = false;
  static constexpr bool is_iec559 = false;
  static constexpr bool is_bounded = true;
  static constexpr bool is_modulo = !is_signed;
  static constexpr int radix = 2;
  static constexpr int digits = metal::is_same_v<T, bool> ? 1 : 8 * sizeof(T) - is_signed;
  static constexpr int digits10 = digits * 30103 / 100000;

  METTLE_INLINE static constexpr T min() { return is_signed ? T(1ul << (8 * sizeof(T) - 1)) : T(0); }
  METTLE_INLINE static constexpr T lowest() { return min(); }
  METTLE_INLINE static constexpr T max() { return metal::is_same_v<T, bool> ? T(1) : T(~bits_of<T>(min())); }
  METTLE_INLINE static constexpr T epsilon() { return T(0); }
  METTLE_INLINE static constexpr T infinity() { return T(0); }
};

// A binary floating-point type of `Digits` significant bits and exponents up to 2^(MaxExponent - 1).
template <class T, int Digits, int MaxExponent>
struct float_limits {
  static constexpr bool is_specialized = true;
  static constexpr bool is_signed = true;
  static constexpr bool is_integer = false;
  static constexpr bool is_exact = false;
  static constexpr bool has_infinity = true;
  static constexpr bool has_quiet_NaN = true;
  static constexpr bool has_signaling_NaN = true;
  static constexpr bool is_iec559 = true;
  static constexpr bool is_bounded = true;
  static constexpr bool is_modulo = false;
  static constexpr int radix = 2;
  static constexpr int digits = Digits;
  static constexpr int digits10 = (Digits - 1) * 30103 / 100000;
  static constexpr int max_digits10 = 2 + Digits * 30103 / 100000;
  static constexpr int max_exponent = MaxExponent;
  static constexpr int min_exponent = 3 - MaxExponent;

  // The number with the given fields of its representation.
  METTLE_INLINE static constexpr T from_fields(uint exponent, uint fraction) {
    return __builtin_bit_cast(T, bits_of<T>(exponent << (Digits - 1) | fraction));
  }
  static constexpr uint all_exponent = 2 * MaxExponent - 1;
  static constexpr uint all_fraction = (1u << (Digits - 1)) - 1;

  METTLE_INLINE static constexpr T min() { return from_fields(1, 0); }
  METTLE_INLINE static constexpr T max() { return from_fields(all_exponent - 1, all_fraction); }
  METTLE_INLINE static constexpr T lowest() { return -max(); }
  METTLE_INLINE static constexpr T epsilon() { return from_fields(MaxExponent - Digits, 0); }
  METTLE_INLINE static constexpr T round_error() { return T(0.5f); }
  METTLE_INLINE static constexpr T infinity() { return from_fields(all_exponent, 0); }
  METTLE_INLINE static constexpr T quiet_NaN() { return from_fields(all_exponent, 1u << (Digits - 2)); }
  METTLE_INLINE static constexpr T signaling_NaN() { return from_fields(all_exponent, 1); }
  METTLE_INLINE static constexpr T denorm_min() { return from_fields(0, 1); }
};

}  // namespace mettle

namespace metal {

// Sources specialise this one, under its name in Apple's headers, for types of their own.
template <class T>
struct _numeric_limits_impl : conditional_t<is_integral_v<T>, mettle::integer_limits<T>, mettle::no_limits<T>> {};
template <>
struct _numeric_limits_impl<float> : mettle::float_limits<float, 24, 128> {};
template <>
struct _numeric_limits_impl<half> : mettle::float_limits<half, 11, 16> {};
template <>
struct _numeric_limits_impl<bfloat> : mettle::float_limits<bfloat, 8, 128> {};

template <class T>
struct numeric_limits : _numeric_limits_impl<remove_cv_t<T>> {};

}  // namespace metal
