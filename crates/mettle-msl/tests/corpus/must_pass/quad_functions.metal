// MSL 6.9.3 Quad-Group Functions: permutations, reductions and votes of four threads
#include <metal_stdlib>
#include <metal_quadgroup>
using namespace metal;

template <typename T>
T all_of(T x, T y, ushort by) {
  T r = quad_broadcast(x, 3) + quad_broadcast_first(x) + quad_shuffle(x, by) + quad_shuffle_xor(x, 1);
  r += quad_shuffle_up(x, 1) + quad_shuffle_down(x, 2) + quad_shuffle_rotate_up(x, 1) + quad_shuffle_rotate_down(x, 2);
  r += quad_shuffle_and_fill_up(x, y, 1) + quad_shuffle_and_fill_down(x, y, 2) + quad_shuffle_and_fill_up(x, y, 1, 2);
  r += quad_sum(x) + quad_product(x) + quad_min(x) + quad_max(x);
  r += quad_prefix_exclusive_sum(x) + quad_prefix_inclusive_sum(x);
  return r + quad_prefix_exclusive_product(x) + quad_prefix_inclusive_product(x);
}
kernel void use(device float2* v [[buffer(0)]], device uint* out [[buffer(1)]], ushort i [[thread_index_in_quadgroup]]) {
  v[0] = all_of(v[1], v[2], i) + all_of(half(v[1].x), half(1), i);
  out[0] = quad_and(out[1]) | quad_or(out[1]) | quad_xor(out[1]);
  quad_vote vote = quad_ballot(out[2] > 0);
  out[3] = uint(quad_vote::vote_t(vote)) + uint(quad_vote::vote_t(quad_active_threads_mask()));
  if (quad_all(out[3] > 0) && quad_any(out[4] > 0) && quad_is_first() && vote.any()) out[5] = 1;
}
