// cooperative_tensor<T, Extents, Layout>: a matrix whose elements lie in the registers of several threads. Each thread
// sees the elements it holds, numbered from 0; `layout.h` says which they are.
#pragma once

#include "layout.h"
#include "tensor.h"

namespace mettle {

// Walks over the elements that the calling thread holds.
template <class Tensor, class Element>
class ElementIterator {
 public:
  METTLE_INLINE constexpr ElementIterator(Tensor* tensor, ushort at) : tensor_(tensor), at_(at) {}

  METTLE_INLINE constexpr Element& operator*() const { return (*tensor_)[at_]; }
  METTLE_INLINE constexpr ElementIterator& operator++() {
    at_++;
    return *this;
  }
  METTLE_INLINE constexpr ElementIterator operator++(int) {
    const ElementIterator before = *this;
    at_++;
    return before;
  }
  METTLE_INLINE constexpr bool operator==(const ElementIterator& other) const { return at_ == other.at_; }
  METTLE_INLINE constexpr auto get_multidimensional_index() const { return tensor_->get_multidimensional_index(at_); }
  METTLE_INLINE constexpr bool is_valid_element() const { return tensor_->is_valid_element(at_); }
  METTLE_INLINE constexpr ushort index() const { return at_; }

 private:
  Tensor* tensor_;
  ushort at_;
};

}  // namespace mettle

namespace metal {

template <class Element, class Extents, class Layout>
class cooperative_tensor {
 public:
  using element_type = Element;
  using value_type = Element;
  using extents_type = Extents;
  using index_type = typename Extents::index_type;
  using size_type = make_unsigned_t<index_type>;
  using rank_type = typename Extents::rank_type;
  using thread_index_type = ushort;
  using thread_size_type = ushort;
  using layout = Layout;
  using iterator = mettle::ElementIterator<cooperative_tensor, Element>;
  using const_iterator = mettle::ElementIterator<const cooperative_tensor, const Element>;

  // All elements are zero: llama.cpp's kernels add products to a fresh tensor.
  METTLE_INLINE explicit cooperative_tensor(mettle::Holder holder) : holder_(holder), elements_{} {}

  METTLE_INLINE static constexpr size_t get_rank() { return Layout::rank; }
  // How many elements a thread may hold; some of them may lie outside of the tensor.
  METTLE_INLINE static constexpr ushort get_capacity() { return Layout::capacity; }
  METTLE_INLINE constexpr bool is_valid_element(ushort i) const {
    return i < Layout::capacity && Layout::holds(holder_, i);
  }
  METTLE_INLINE constexpr bool get_mask(ushort i) const { return is_valid_element(i); }

  // Where element `i` lies in the tensor, the fastest dimension first: (column, row).
  METTLE_INLINE constexpr array<index_type, Layout::rank> get_multidimensional_index(ushort i) const {
    const mettle::Place at = Layout::place(holder_, i);
    if constexpr (Layout::rank == 2) {
      return {index_type(at.column), index_type(at.row)};
    } else {
      return {index_type(at.row + at.column)};
    }
  }

  // An element beyond the capacity is a place to write to and nothing more.
  METTLE_INLINE constexpr Element& operator[](ushort i) { return elements_[i < Layout::capacity ? i : Layout::capacity]; }
  METTLE_INLINE constexpr const Element& operator[](ushort i) const {
    return elements_[i < Layout::capacity ? i : Layout::capacity];
  }

  METTLE_INLINE constexpr value_type get(ushort i) const { return (*this)[i]; }
  METTLE_INLINE constexpr void set(ushort i, value_type value) { (*this)[i] = value; }

  METTLE_INLINE constexpr iterator begin() { return {this, 0}; }
  METTLE_INLINE constexpr iterator end() { return {this, Layout::capacity}; }
  METTLE_INLINE constexpr const_iterator begin() const { return {this, 0}; }
  METTLE_INLINE constexpr const_iterator end() const { return {this, Layout::capacity}; }

  // The element of this tensor that goes with an element of the matrix it was reduced from; `end()` if there is none.
  template <class Tensor, class Other>
  METTLE_INLINE constexpr iterator map_iterator(const mettle::ElementIterator<Tensor, Other>& from) {
    using From = typename Tensor::layout;
    if constexpr (!mettle::maps_to<From, Layout>) {
      return end();
    } else if constexpr (is_same_v<From, Layout>) {
      return {this, from.index()};
    } else {
      return {this, ushort(Layout::of(from.index()))};
    }
  }

  // Reads the elements that the calling thread holds; 0 beyond the sizes of `from`. A dimension of size 1 is repeated.
  template <class T, class E, class... D>
  METTLE_INLINE void load(const tensor<T, E, D...>& from) {
    for (int i = 0; i < Layout::capacity; i++) {
      auto at = get_multidimensional_index(ushort(i));
      for (size_t r = 0; r < get_rank(); r++) {
        if (from.get_extent(r) == 1) at[r] = 0;
      }
      elements_[i] = Element(from.load(at));
    }
  }
  // Writes them, except beyond the sizes of `to`. A dimension of size 1 of this tensor is repeated.
  template <class T, class E, class... D>
  METTLE_INLINE void store(const tensor<T, E, D...>& to) const {
    for (int i = 0; i < Layout::capacity; i++) {
      if (Layout::holds(holder_, i)) store(to, elements_[i], get_multidimensional_index(ushort(i)));
    }
  }

 private:
  // Writes an element to its place, or, along a dimension of size 1 here, to all places.
  template <class Tensor>
  METTLE_INLINE static void store(const Tensor& to, Element element, array<index_type, Layout::rank> at) {
    static_assert(Tensor::get_rank() == Layout::rank, "a tensor of another number of dimensions");
    size_t repeated = Layout::rank;
    for (size_t i = 0; i < Layout::rank; i++) {
      if (Extents::static_extent(i) == 1) repeated = i;
    }
    if (repeated == Layout::rank) {
      to.store(static_cast<typename Tensor::value_type>(element), at);
      return;
    }
    for (index_type i = 0; i < to.get_extent(repeated); i++) {
      at[repeated] = i;
      to.store(static_cast<typename Tensor::value_type>(element), at);
    }
  }

  mettle::Holder holder_;
  Element elements_[Layout::capacity + 1];
};

}  // namespace metal

namespace mettle {

template <class T>
inline constexpr bool is_cooperative = false;
template <class... A>
inline constexpr bool is_cooperative<metal::cooperative_tensor<A...>> = true;

}  // namespace mettle
