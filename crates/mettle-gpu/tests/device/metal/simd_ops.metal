// Every SIMD-group and quad operation, for scalars and vectors. Thread i of n hands over x[i]; the result of operation
// k is out[k * n + i]. T is the type that is computed with, S the one in memory (packed for three components).
#include <metal_stdlib>
using namespace metal;

// The operations in order, as tests name them.
#define REDUCTIONS(group)  \
  EACH(group##_sum(v))     \
  EACH(group##_product(v)) \
  EACH(group##_min(v))     \
  EACH(group##_max(v))
#define SCANS(group)                        \
  EACH(group##_prefix_inclusive_sum(v))     \
  EACH(group##_prefix_exclusive_sum(v))     \
  EACH(group##_prefix_inclusive_product(v)) \
  EACH(group##_prefix_exclusive_product(v))
#define BITWISE(group) \
  EACH(group##_and(v)) \
  EACH(group##_or(v))  \
  EACH(group##_xor(v))
// `by` is the same for all lanes but in simd_shuffle and quad_shuffle, which add the lane.
#define SHUFFLES(group, lanes)                        \
  EACH(group##_shuffle(v, (lane + by) % lanes))          \
  EACH(group##_broadcast(v, by % lanes))              \
  EACH(group##_broadcast_first(v))                    \
  EACH(group##_shuffle_xor(v, by % lanes))            \
  EACH(group##_shuffle_up(v, by % lanes))             \
  EACH(group##_shuffle_down(v, by % lanes))           \
  EACH(group##_shuffle_rotate_up(v, by % lanes))      \
  EACH(group##_shuffle_rotate_down(v, by % lanes))    \
  EACH(group##_shuffle_and_fill_up(v, w, by % lanes)) \
  EACH(group##_shuffle_and_fill_down(v, w, by % lanes)) \
  EACH(group##_shuffle_and_fill_up(v, w, by % 4, 4))  \
  EACH(group##_shuffle_and_fill_down(v, w, by % 2, 2))

#define EACH(call) \
  out[k * n + i] = S(call); \
  k += 1;

#define KERNEL(name, suffix, S_, T_, operations)                                                             \
  kernel void name##_##suffix(device const S_* x [[buffer(0)]], device S_* out [[buffer(1)]],                \
                              constant ushort& by [[buffer(2)]], uint i [[thread_position_in_grid]],         \
                              ushort lane [[thread_index_in_simdgroup]], uint n [[threads_per_grid]]) {      \
    using S = S_;                                                                                            \
    const T_ v = T_(x[i]);                                                                                   \
    const T_ w = T_(v * T_(2));                                                                              \
    uint k = 0;                                                                                              \
    operations                                                                                               \
  }
#define FOLDS(suffix, S, T) \
  KERNEL(folds, suffix, S, T, REDUCTIONS(simd) REDUCTIONS(quad) SCANS(simd) SCANS(quad))
#define MOVES(suffix, S, T) KERNEL(shuffles, suffix, S, T, SHUFFLES(simd, 32) SHUFFLES(quad, 4))
#define BITS(suffix, S, T) KERNEL(bitwise, suffix, S, T, BITWISE(simd) BITWISE(quad))

FOLDS(i8, char, char)
FOLDS(u8, uchar, uchar)
FOLDS(i16, short, short)
FOLDS(u16, ushort, ushort)
FOLDS(i32, int, int)
FOLDS(u32, uint, uint)
FOLDS(f32, float, float)
FOLDS(f16, half, half)
FOLDS(bf16, bfloat, bfloat)
FOLDS(i32x3, packed_int3, int3)
FOLDS(f16x2, half2, half2)
FOLDS(f32x4, float4, float4)

BITS(u8, uchar, uchar)
BITS(i16, short, short)
BITS(u32, uint, uint)
BITS(i32x3, packed_int3, int3)

// A move does not look at what it moves: one type of each size, and vectors.
MOVES(i8, char, char)
MOVES(bf16, bfloat, bfloat)
MOVES(f32, float, float)
MOVES(i32x3, packed_int3, int3)

// The sum alone, to see its order.
kernel void sum(device const float* x [[buffer(0)]], device float* out [[buffer(1)]],
                uint i [[thread_position_in_grid]]) {
  out[i] = simd_sum(x[i]);
}

// Votes, as bits: ballot, active lanes, any, all, is first; the same for quads; is helper.
kernel void votes(device const uint* x [[buffer(0)]], device uint* out [[buffer(1)]],
                  uint i [[thread_position_in_grid]], uint n [[threads_per_grid]]) {
  const bool vote = x[i] != 0;
  out[i] = uint(simd_vote::vote_t(simd_ballot(vote)));
  out[n + i] = uint(simd_vote::vote_t(simd_active_threads_mask()));
  out[2 * n + i] = simd_any(vote);
  out[3 * n + i] = simd_all(vote);
  out[4 * n + i] = simd_is_first();
  out[5 * n + i] = uint(quad_vote::vote_t(quad_ballot(vote)));
  out[6 * n + i] = uint(quad_vote::vote_t(quad_active_threads_mask()));
  out[7 * n + i] = quad_any(vote);
  out[8 * n + i] = quad_all(vote);
  out[9 * n + i] = quad_is_first();
  const simd_vote ballot = simd_ballot(vote);
  out[10 * n + i] = ballot.any() * 2 + ballot.all() + simd_is_helper_thread() * 4;
}
