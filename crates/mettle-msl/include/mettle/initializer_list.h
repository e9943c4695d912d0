// std::initializer_list, which the language itself names: the compiler makes one of a braced list.
#pragma once

#include "types.h"

namespace std {

template <class T>
class initializer_list {
 public:
  METTLE_INLINE constexpr initializer_list() : first_(nullptr), size_(0) {}
  METTLE_INLINE constexpr size_t size() const { return size_; }
  METTLE_INLINE constexpr const T* begin() const { return first_; }
  METTLE_INLINE constexpr const T* end() const { return first_ + size_; }

 private:
  // The compiler fills these two, in this order.
  const T* first_;
  size_t size_;
};

}  // namespace std

namespace metal {
using std::initializer_list;
}
