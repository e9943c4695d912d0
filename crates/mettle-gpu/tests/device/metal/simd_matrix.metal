// Matrices of a SIMD group.
#include <metal_stdlib>
using namespace metal;

// D = A B + C and further matrix operations of one SIMD group. `a` has rows of 16 elements, in which the matrix starts
// at row 1, column 2; `b` is stored transposed.
#define MATRIX(suffix, T, M)                                                                                  \
  kernel void matrix_##suffix(device const T* a [[buffer(0)]], device const T* b [[buffer(1)]],               \
                              device const T* c [[buffer(2)]], device T* out [[buffer(3)]],                   \
                              device T* fragments [[buffer(4)]], uint lane [[thread_index_in_simdgroup]]) {   \
    M ma, mb, mc, md;                                                                                         \
    simdgroup_load(ma, a, 16, ulong2(2, 1));                                                                  \
    simdgroup_load(mb, b, 8, ulong2(0, 0), true);                                                             \
    simdgroup_load(mc, c);                                                                                    \
    simdgroup_multiply_accumulate(md, ma, mb, mc);                                                            \
    simdgroup_store(md, out);                                                                                 \
    simdgroup_multiply(md, ma, mb);                                                                           \
    simdgroup_store(md, out + 64, 8, ulong2(0, 0), true);                                                     \
    simdgroup_store(make_filled_simdgroup_matrix<T, 8, 8>(T(3)), out + 128, 8);                               \
    simdgroup_store(M(T(2)), out + 192, 8);                                                                   \
    simdgroup_store(make_diagonal_simdgroup_matrix<T, 8, 8>(T(5)), out + 256, 8);                             \
    simdgroup_store(ma * mb, out + 320);                                                                      \
    mc.thread_elements() *= T(2);                                                                             \
    simdgroup_store(mc, out + 384);                                                                           \
    fragments[2 * lane] = mc.thread_elements()[0];                                                            \
    fragments[2 * lane + 1] = mc.thread_elements()[1];                                                        \
  }
MATRIX(f32, float, simdgroup_float8x8)
MATRIX(f16, half, simdgroup_half8x8)
MATRIX(bf16, bfloat, simdgroup_bfloat8x8)

// Mixed types: halves multiplied, accumulated in float.
kernel void matrix_mixed(device const half* a [[buffer(0)]], device const half* b [[buffer(1)]],
                         device float* c [[buffer(2)]]) {
  simdgroup_half8x8 ma, mb;
  simdgroup_float8x8 mc;
  simdgroup_load(ma, a, 8);
  simdgroup_load(mb, b, 8);
  simdgroup_load(mc, c, 8);
  simdgroup_multiply_accumulate(mc, ma, mb, mc);
  simdgroup_store(mc, c, 8);
}
