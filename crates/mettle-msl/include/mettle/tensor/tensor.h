// tensor<T, Extents, tensor_inline>: memory seen as an array of several dimensions, the first one fastest. It owns
// nothing. `slice` moves the origin; what lies beyond the sizes reads as zero in `load` and in the operations on
// tensors, and is not written by them.
//
// Only tensors made from a pointer exist here. A tensor_handle is an MTLTensor bound by the host, which Apple's devices
// have; kernels take a buffer instead and make the tensor themselves.
#pragma once

#include "extents.h"

namespace metal {

struct tensor_handle {};
struct tensor_inline {};
struct tensor_offset {};

template <class Element, class Extents, class Descriptor = tensor_handle, class... Tags>
class tensor {
 public:
  static_assert(!is_same_v<Descriptor, tensor_handle>,
                "a tensor of a kernel's argument is an MTLTensor, which exists on Apple's devices only: take a pointer "
                "and make the tensor from it, tensor(pointer, extents)");
  static_assert(is_same_v<Descriptor, tensor_inline>, "the descriptor of a tensor is tensor_handle or tensor_inline");
  static_assert(is_arithmetic_v<remove_cv_t<Element>> && !is_same_v<remove_cv_t<Element>, bool>,
                "the elements of a tensor are numbers");

  using element_type = Element;
  using value_type = remove_cv_t<Element>;
  using extents_type = Extents;
  using index_type = typename Extents::index_type;
  using size_type = make_unsigned_t<index_type>;
  using rank_type = size_t;

  METTLE_INLINE static constexpr rank_type get_rank() { return Extents::rank(); }
  METTLE_INLINE static constexpr size_t get_static_extent(rank_type r) { return Extents::static_extent(r); }

  // Without strides the elements are packed.
  METTLE_INLINE constexpr tensor(Element* data, const Extents& sizes) : data_(data), extents_(sizes) {
    ptrdiff_t stride = 1;
    for (rank_type r = 0; r < get_rank(); r++) {
      strides_[r] = stride;
      stride *= ptrdiff_t(sizes.extent(r));
    }
  }
  // `strides[r]` elements lie between neighbours in dimension r.
  template <class I>
  METTLE_INLINE constexpr tensor(Element* data, const Extents& sizes, const array<I, Extents::rank()>& strides)
      : data_(data), extents_(sizes) {
    for (rank_type r = 0; r < get_rank(); r++) strides_[r] = ptrdiff_t(strides[r]);
  }

  METTLE_INLINE constexpr const Extents& extents() const { return extents_; }
  METTLE_INLINE constexpr index_type get_extent(rank_type r) const { return extents_.extent(r); }
  METTLE_INLINE constexpr index_type get_stride(rank_type r) const { return index_type(strides_[r]); }

  template <class... I, class = enable_if_t<sizeof...(I) == Extents::rank() && (is_convertible_v<I, index_type> && ...)>>
  METTLE_INLINE constexpr Element& operator[](I... at) const {
    return data_[offset(at...)];
  }

  template <class I>
  METTLE_INLINE constexpr Element& operator[](const array<I, Extents::rank()>& at) const {
    return data_[offset(at)];
  }

  // An element; 0 where there is none.
  template <class... I, class = enable_if_t<sizeof...(I) == Extents::rank() && (is_convertible_v<I, index_type> && ...)>>
  METTLE_INLINE constexpr value_type load(I... at) const {
    return load(array<index_type, Extents::rank()>{index_type(at)...});
  }
  template <class I>
  METTLE_INLINE constexpr value_type load(const array<I, Extents::rank()>& at) const {
    return has(at) ? data_[offset(at)] : value_type(0);
  }
  // Sets an element, if there is one.
  template <class... I, class = enable_if_t<sizeof...(I) == Extents::rank() && (is_convertible_v<I, index_type> && ...)>>
  METTLE_INLINE constexpr void store(value_type value, I... at) const {
    store(value, array<index_type, Extents::rank()>{index_type(at)...});
  }
  template <class I>
  METTLE_INLINE constexpr void store(value_type value, const array<I, Extents::rank()>& at) const {
    if (has(at)) data_[offset(at)] = value;
  }

  // The tensor that begins at `from`, as large as what is left.
  template <class... I, class = enable_if_t<sizeof...(I) == Extents::rank() && (is_convertible_v<I, index_type> && ...)>>
  METTLE_INLINE constexpr auto slice(I... from) const {
    return part<dextents<index_type, Extents::rank()>>(from...);
  }
  // The same with sizes known when compiling, which the caller answers for; dynamic_extent for what is left.
  template <size_t... Sizes, class... I,
            class = enable_if_t<(sizeof...(Sizes) > 0) && sizeof...(Sizes) == sizeof...(I) &&
                                sizeof...(I) == Extents::rank() && (is_convertible_v<I, index_type> && ...)>, int = 0>
  METTLE_INLINE constexpr auto slice(I... from) const {
    return part<metal::extents<index_type, Sizes...>>(from...);
  }

 private:
  template <class... I>
  METTLE_INLINE constexpr ptrdiff_t offset(I... at) const {
    return offset(array<ptrdiff_t, Extents::rank()>{ptrdiff_t(at)...});
  }
  template <class I>
  METTLE_INLINE constexpr ptrdiff_t offset(const array<I, Extents::rank()>& at) const {
    ptrdiff_t sum = 0;
    for (rank_type r = 0; r < get_rank(); r++) sum += ptrdiff_t(at[r]) * strides_[r];
    return sum;
  }
  template <class I>
  METTLE_INLINE constexpr bool has(const array<I, Extents::rank()>& at) const {
    bool inside = true;
    for (rank_type r = 0; r < get_rank(); r++) inside &= at[r] >= 0 && at[r] < get_extent(r);
    return inside;
  }

  template <class Sizes, class... I>
  METTLE_INLINE constexpr tensor<Element, Sizes, tensor_inline> part(I... from) const {
    const index_type origin[] = {index_type(from)...};
    array<index_type, Extents::rank()> sizes{};
    array<ptrdiff_t, Extents::rank()> strides{};
    for (rank_type r = 0; r < get_rank(); r++) {
      const index_type left = get_extent(r) > origin[r] ? index_type(get_extent(r) - origin[r]) : index_type(0);
      sizes[r] = Sizes::static_extent(r) == dynamic_extent ? left : index_type(Sizes::static_extent(r));
      strides[r] = strides_[r];
    }
    return tensor<Element, Sizes, tensor_inline>(data_ + offset(from...), Sizes(sizes), strides);
  }

  Element* data_;
  Extents extents_;
  ptrdiff_t strides_[Extents::rank()];
};

template <class Element, class I, size_t... Sizes>
tensor(Element*, extents<I, Sizes...>) -> tensor<Element, extents<I, Sizes...>, tensor_inline>;
template <class Element, class I, size_t... Sizes, class S>
tensor(Element*, extents<I, Sizes...>, array<S, sizeof...(Sizes)>)
    -> tensor<Element, extents<I, Sizes...>, tensor_inline>;

}  // namespace metal

namespace mettle {

template <class T>
inline constexpr bool is_tensor = false;
template <class... A>
inline constexpr bool is_tensor<metal::tensor<A...>> = true;

}  // namespace mettle
