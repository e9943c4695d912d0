// metal::array: a C array as a value.
#pragma once

#include "types.h"

namespace metal {

template <class T, size_t Size>
struct array {
  using value_type = T;
  using size_type = size_t;

  T elements[Size];

  METTLE_INLINE constexpr T& operator[](size_t i) { return elements[i]; }
  METTLE_INLINE constexpr const T& operator[](size_t i) const { return elements[i]; }
  METTLE_INLINE constexpr T& at(size_t i) { return elements[i]; }
  METTLE_INLINE constexpr const T& at(size_t i) const { return elements[i]; }
  METTLE_INLINE constexpr T& front() { return elements[0]; }
  METTLE_INLINE constexpr const T& front() const { return elements[0]; }
  METTLE_INLINE constexpr T& back() { return elements[Size - 1]; }
  METTLE_INLINE constexpr const T& back() const { return elements[Size - 1]; }
  METTLE_INLINE constexpr T* data() { return elements; }
  METTLE_INLINE constexpr const T* data() const { return elements; }
  METTLE_INLINE constexpr T* begin() { return elements; }
  METTLE_INLINE constexpr const T* begin() const { return elements; }
  METTLE_INLINE constexpr T* end() { return elements + Size; }
  METTLE_INLINE constexpr const T* end() const { return elements + Size; }
  METTLE_INLINE constexpr void fill(const T& value) {
    for (size_t i = 0; i < Size; i++) elements[i] = value;
  }
  METTLE_INLINE static constexpr size_t size() { return Size; }
  METTLE_INLINE static constexpr bool empty() { return Size == 0; }
};

}  // namespace metal
