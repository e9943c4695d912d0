// extents<I, E...>: the sizes of a tensor, each known when compiling or not (dynamic_extent).
#pragma once

#include "../array.h"
#include "../traits.h"

namespace metal {

inline constexpr size_t dynamic_extent = ~size_t(0);

// The size of a dimension of a product that is read from its operands.
template <class I = int>
inline constexpr I dynamic_length_v = I(-1);

template <class Index, size_t... Sizes>
class extents {
 public:
  static_assert(is_integral_v<Index> && !is_same_v<Index, bool>, "the sizes of a tensor are integers");
  static_assert(sizeof...(Sizes) > 0, "a tensor has at least one dimension");

  using index_type = Index;
  using size_type = size_t;
  using rank_type = size_t;

  METTLE_INLINE static constexpr rank_type rank() { return sizeof...(Sizes); }
  METTLE_INLINE static constexpr rank_type rank_dynamic() { return (rank_type(Sizes == dynamic_extent) + ...); }
  METTLE_INLINE static constexpr size_t static_extent(rank_type r) {
    constexpr size_t sizes[] = {Sizes...};
    return sizes[r];
  }

  METTLE_INLINE constexpr extents() : sizes_{index_type(Sizes == dynamic_extent ? 0 : Sizes)...} {}

  // All sizes, or only those that are not known when compiling.
  template <class... I, enable_if_t<sizeof...(I) == sizeof...(Sizes) && (is_convertible_v<I, Index> && ...), int> = 0>
  METTLE_INLINE constexpr explicit extents(I... sizes) : sizes_{index_type(sizes)...} {}
  template <class... I, enable_if_t<sizeof...(I) != 0 && sizeof...(I) != sizeof...(Sizes) &&
                                        sizeof...(I) == rank_dynamic() && (is_convertible_v<I, Index> && ...), long> = 0>
  METTLE_INLINE constexpr explicit extents(I... sizes) : extents() {
    const index_type dynamic[] = {index_type(sizes)...};
    for (rank_type r = 0, next = 0; r < rank(); r++) {
      if (static_extent(r) == dynamic_extent) sizes_[r] = dynamic[next++];
    }
  }
  METTLE_INLINE constexpr explicit extents(const array<Index, sizeof...(Sizes)>& sizes) {
    for (rank_type r = 0; r < rank(); r++) sizes_[r] = sizes[r];
  }

  METTLE_INLINE constexpr index_type extent(rank_type r) const {
    return static_extent(r) == dynamic_extent ? sizes_[r] : index_type(static_extent(r));
  }

  METTLE_INLINE friend constexpr bool operator==(const extents& a, const extents& b) {
    for (rank_type r = 0; r < rank(); r++) {
      if (a.extent(r) != b.extent(r)) return false;
    }
    return true;
  }

 private:
  index_type sizes_[sizeof...(Sizes)];
};

}  // namespace metal

namespace mettle {

template <class Index, size_t Rank, size_t... Sizes>
struct dynamic_extents : dynamic_extents<Index, Rank - 1, metal::dynamic_extent, Sizes...> {};
template <class Index, size_t... Sizes>
struct dynamic_extents<Index, 0, Sizes...> {
  using type = metal::extents<Index, Sizes...>;
};

}  // namespace mettle

namespace metal {

template <class Index, size_t Rank>
using dextents = typename mettle::dynamic_extents<Index, Rank>::type;

}  // namespace metal
