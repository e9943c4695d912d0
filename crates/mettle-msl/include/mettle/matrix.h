// matrix<T, C, R>: C columns of R components, stored column after column.
#pragma once

#include "vec.h"

namespace metal {

template <class T, int C, int R>
struct matrix {
  static_assert(is_floating_point_v<T>, "matrices are of float, half or bfloat");
  static_assert(C >= 2 && C <= 4 && R >= 2 && R <= 4, "matrices have 2 to 4 columns and rows");
  using column = vec<T, R>;

  column columns[C];

  matrix() = default;

  // The matrix with `diagonal` on its diagonal and zero elsewhere.
  METTLE_INLINE explicit matrix(T diagonal) : matrix(matrix()) {
    for (int c = 0; c < C; c++) {
      columns[c] = column(T(0));
      if (c < R) columns[c][c] = diagonal;
    }
  }

  // From C columns, or from C * R scalars column after column.
  template <class... A, enable_if_t<sizeof...(A) == C && (is_convertible_v<A, column> && ...) &&
                                        !(mettle::is_number<A> || ...), int> = 0>
  METTLE_INLINE matrix(METTLE_VALUE(A)... a) : columns{column(a)...} {}
  template <class... A, enable_if_t<sizeof...(A) == C * R && (mettle::is_number<A> && ...), long> = 0>
  METTLE_INLINE explicit matrix(A... a) {
    const T all[] = {T(a)...};
    for (int c = 0; c < C; c++)
      for (int r = 0; r < R; r++) columns[c][r] = all[c * R + r];
  }

  template <class U, class = enable_if_t<!is_same_v<T, U>>>
  METTLE_INLINE explicit matrix(const matrix<U, C, R>& other) {
    for (int c = 0; c < C; c++) columns[c] = column(other.columns[c]);
  }

  METTLE_INLINE column& operator[](int c) { return columns[c]; }
  METTLE_INLINE const column& operator[](int c) const { return columns[c]; }

  METTLE_INLINE friend matrix operator+(matrix a, const matrix& b) { return a += b; }
  METTLE_INLINE friend matrix operator-(matrix a, const matrix& b) { return a -= b; }
  METTLE_INLINE friend matrix operator*(matrix a, T s) { return a *= s; }
  METTLE_INLINE friend matrix operator*(T s, matrix a) { return a *= s; }
  METTLE_INLINE friend matrix operator-(matrix a) { return a *= T(-1); }

  METTLE_INLINE matrix& operator+=(const matrix& b) {
    for (int c = 0; c < C; c++) columns[c] += b.columns[c];
    return *this;
  }
  METTLE_INLINE matrix& operator-=(const matrix& b) {
    for (int c = 0; c < C; c++) columns[c] -= b.columns[c];
    return *this;
  }
  METTLE_INLINE matrix& operator*=(T s) {
    for (int c = 0; c < C; c++) columns[c] *= s;
    return *this;
  }

  METTLE_INLINE matrix& operator*=(const matrix<T, C, C>& b) { return *this = *this * b; }

  METTLE_INLINE friend bool operator==(const matrix& a, const matrix& b) {
    bool equal = true;
    for (int c = 0; c < C; c++)
      for (int r = 0; r < R; r++) equal &= a.columns[c][r] == b.columns[c][r];
    return equal;
  }
  METTLE_INLINE friend bool operator!=(const matrix& a, const matrix& b) { return !(a == b); }

  // Matrix times column vector.
  METTLE_INLINE friend column operator*(const matrix& m, vec<T, C> v) {
    column r = m.columns[0] * v.get(0);
    for (int c = 1; c < C; c++) r += m.columns[c] * v.get(c);
    return r;
  }
  // Row vector times matrix.
  METTLE_INLINE friend vec<T, C> operator*(column v, const matrix& m) {
    vec<T, C> r;
    for (int c = 0; c < C; c++) {
      T sum = v.get(0) * m.columns[c].get(0);
      for (int i = 1; i < R; i++) sum += v.get(i) * m.columns[c].get(i);
      r.put(c, sum);
    }
    return r;
  }
  // All operators are friends, which only their operands find. Where a template finds an operator by its name alone, clang
  // takes no components in its place: `x.yzx * y.zxy` would be an error.
  template <int Columns>
  METTLE_INLINE friend matrix<T, Columns, R> operator*(const matrix& a, const matrix<T, Columns, C>& b) {
    matrix<T, Columns, R> r;
    for (int c = 0; c < Columns; c++) r.columns[c] = a * b.columns[c];
    return r;
  }
};

template <class T, int C, int R>
METTLE_INLINE matrix<T, R, C> transpose(const matrix<T, C, R>& m) {
  matrix<T, R, C> r;
  for (int c = 0; c < C; c++)
    for (int i = 0; i < R; i++) r.columns[i].put(c, m.columns[c].get(i));
  return r;
}

template <class T>
METTLE_INLINE T determinant(const matrix<T, 2, 2>& m) {
  return m[0].x * m[1].y - m[1].x * m[0].y;
}
template <class T>
METTLE_INLINE T determinant(const matrix<T, 3, 3>& m) {
  const vec<T, 3> a = m[0], b = m[1], c = m[2];
  return a.x * (b.y * c.z - c.y * b.z) - b.x * (a.y * c.z - c.y * a.z) + c.x * (a.y * b.z - b.y * a.z);
}
template <class T>
METTLE_INLINE T determinant(const matrix<T, 4, 4>& m) {
  T sum = 0;
  for (int skipped = 0; skipped < 4; skipped++) {
    matrix<T, 3, 3> minor;
    for (int c = 0; c < 3; c++) minor[c] = m[c < skipped ? c : c + 1].yzw;
    const T term = m[skipped].x * determinant(minor);
    sum = skipped % 2 == 0 ? sum + term : sum - term;
  }
  return sum;
}

}  // namespace metal
