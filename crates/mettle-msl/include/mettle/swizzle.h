// Component access by name: x, y, z, w and r, g, b, a, and every swizzle of two to four of them.
//
// A swizzle is a property: reading `v.zx` calls a getter that returns a plain vector (so it deduces, converts and
// overloads like any other), assigning to it calls a setter. Setters take lvalues only, so that assigning to a part of
// a temporary, which could have no effect, is refused. Needs clang's -fdeclspec.
//
// One thing clang does not do: `v.x += t` in a template, where the types depend on its arguments and an operator+= that
// the source declares at namespace scope is visible. `v.x = v.x + t` works.
//
// `Storage` provides `pick<I...>()`, the vector of the components I..., and `place<I...>(v)`, which stores v's
// components there.
#pragma once

#include "lanes.h"

namespace metal {
template <class T, int N>
struct vec;
}

namespace mettle {

enum component_index { index_x, index_y, index_z, index_w };

template <int A, int B, int C = -1, int D = -1>
inline constexpr bool distinct = A != B && A != C && A != D && B != C && B != D && (C != D || C < 0);

#define METTLE_COLOUR_x r
#define METTLE_COLOUR_y g
#define METTLE_COLOUR_z b
#define METTLE_COLOUR_w a
#define METTLE_PASTE2(a, b) a##b
#define METTLE_PASTE3(a, b, c) a##b##c
#define METTLE_PASTE4(a, b, c, d) a##b##c##d
#define METTLE_COLOURS2(a, b) METTLE_PASTE2(a, b)
#define METTLE_COLOURS3(a, b, c) METTLE_PASTE3(a, b, c)
#define METTLE_COLOURS4(a, b, c, d) METTLE_PASTE4(a, b, c, d)

#define METTLE_COMPONENT(p)                                                                   \
  METTLE_INLINE constexpr T get_##p() const { return this->get(index_##p); }                  \
  METTLE_INLINE constexpr void put_##p(T x)& { this->put(index_##p, x); }                     \
  __declspec(property(get = get_##p, put = put_##p)) T p;                                     \
  __declspec(property(get = get_##p, put = put_##p)) T METTLE_COLOUR_##p;

#define METTLE_SWIZZLE2(p, q)                                                                                      \
  METTLE_INLINE metal::vec<T, 2> get_##p##q() const { return this->template pick<index_##p, index_##q>(); }        \
  METTLE_INLINE void put_##p##q(metal::vec<T, 2> v)& { this->template place<index_##p, index_##q>(v); }            \
  __declspec(property(get = get_##p##q, put = put_##p##q)) metal::vec<T, 2> p##q;                                  \
  __declspec(property(get = get_##p##q, put = put_##p##q)) metal::vec<T, 2>                                        \
      METTLE_COLOURS2(METTLE_COLOUR_##p, METTLE_COLOUR_##q);

#define METTLE_SWIZZLE3(p, q, s)                                                                                   \
  METTLE_INLINE metal::vec<T, 3> get_##p##q##s() const {                                                           \
    return this->template pick<index_##p, index_##q, index_##s>();                                                 \
  }                                                                                                                \
  METTLE_INLINE void put_##p##q##s(metal::vec<T, 3> v)& {                                                          \
    this->template place<index_##p, index_##q, index_##s>(v);                                                      \
  }                                                                                                                \
  __declspec(property(get = get_##p##q##s, put = put_##p##q##s)) metal::vec<T, 3> p##q##s;                         \
  __declspec(property(get = get_##p##q##s, put = put_##p##q##s)) metal::vec<T, 3>                                  \
      METTLE_COLOURS3(METTLE_COLOUR_##p, METTLE_COLOUR_##q, METTLE_COLOUR_##s);

#define METTLE_SWIZZLE4(p, q, s, t)                                                                                \
  METTLE_INLINE metal::vec<T, 4> get_##p##q##s##t() const {                                                        \
    return this->template pick<index_##p, index_##q, index_##s, index_##t>();                                      \
  }                                                                                                                \
  METTLE_INLINE void put_##p##q##s##t(metal::vec<T, 4> v)& {                                                       \
    this->template place<index_##p, index_##q, index_##s, index_##t>(v);                                           \
  }                                                                                                                \
  __declspec(property(get = get_##p##q##s##t, put = put_##p##q##s##t)) metal::vec<T, 4> p##q##s##t;                \
  __declspec(property(get = get_##p##q##s##t, put = put_##p##q##s##t)) metal::vec<T, 4>                            \
      METTLE_COLOURS4(METTLE_COLOUR_##p, METTLE_COLOUR_##q, METTLE_COLOUR_##s, METTLE_COLOUR_##t);

// One swizzle for every choice of components. EACHn(M, ...) calls M(..., c) for each of the first n components; the
// preprocessor does not recurse, so each level has macros of its own.
#define METTLE_EACH2_A(M, ...) M(__VA_ARGS__, x) M(__VA_ARGS__, y)
#define METTLE_EACH3_A(M, ...) METTLE_EACH2_A(M, __VA_ARGS__) M(__VA_ARGS__, z)
#define METTLE_EACH4_A(M, ...) METTLE_EACH3_A(M, __VA_ARGS__) M(__VA_ARGS__, w)
#define METTLE_EACH2_B(M, ...) METTLE_EACH2_A(M, __VA_ARGS__, x) METTLE_EACH2_A(M, __VA_ARGS__, y)
#define METTLE_EACH3_B(M, ...) \
  METTLE_EACH3_A(M, __VA_ARGS__, x) METTLE_EACH3_A(M, __VA_ARGS__, y) METTLE_EACH3_A(M, __VA_ARGS__, z)
#define METTLE_EACH4_B(M, ...)                                            \
  METTLE_EACH4_A(M, __VA_ARGS__, x) METTLE_EACH4_A(M, __VA_ARGS__, y)     \
  METTLE_EACH4_A(M, __VA_ARGS__, z) METTLE_EACH4_A(M, __VA_ARGS__, w)
#define METTLE_EACH2_C(M, ...) METTLE_EACH2_B(M, __VA_ARGS__, x) METTLE_EACH2_B(M, __VA_ARGS__, y)
#define METTLE_EACH3_C(M, ...) \
  METTLE_EACH3_B(M, __VA_ARGS__, x) METTLE_EACH3_B(M, __VA_ARGS__, y) METTLE_EACH3_B(M, __VA_ARGS__, z)
#define METTLE_EACH4_C(M, ...)                                            \
  METTLE_EACH4_B(M, __VA_ARGS__, x) METTLE_EACH4_B(M, __VA_ARGS__, y)     \
  METTLE_EACH4_B(M, __VA_ARGS__, z) METTLE_EACH4_B(M, __VA_ARGS__, w)

#define METTLE_SWIZZLES(n)                                                                            \
  METTLE_EACH##n(METTLE_EACH##n##_A, METTLE_SWIZZLE2) METTLE_EACH##n(METTLE_EACH##n##_B, METTLE_SWIZZLE3) \
  METTLE_EACH##n(METTLE_EACH##n##_C, METTLE_SWIZZLE4)
#define METTLE_EACH2(EACH, M) EACH(M, x) EACH(M, y)
#define METTLE_EACH3(EACH, M) METTLE_EACH2(EACH, M) EACH(M, z)
#define METTLE_EACH4(EACH, M) METTLE_EACH3(EACH, M) EACH(M, w)

// Vectors of 8 and 16 components have no names for them.
template <class Storage, class T, int N>
struct swizzles : Storage {};

template <class Storage, class T>
struct swizzles<Storage, T, 2> : Storage {
  METTLE_COMPONENT(x)
  METTLE_COMPONENT(y)
  METTLE_SWIZZLES(2)
};

template <class Storage, class T>
struct swizzles<Storage, T, 3> : Storage {
  METTLE_COMPONENT(x)
  METTLE_COMPONENT(y)
  METTLE_COMPONENT(z)
  METTLE_SWIZZLES(3)
};

template <class Storage, class T>
struct swizzles<Storage, T, 4> : Storage {
  METTLE_COMPONENT(x)
  METTLE_COMPONENT(y)
  METTLE_COMPONENT(z)
  METTLE_COMPONENT(w)
  METTLE_SWIZZLES(4)
};

#undef METTLE_SWIZZLES
#undef METTLE_COMPONENT
#undef METTLE_SWIZZLE2
#undef METTLE_SWIZZLE3
#undef METTLE_SWIZZLE4

}  // namespace mettle
