// MSL 6.9.2 SIMD-Group Functions: votes
#include <metal_stdlib>
using namespace metal;

kernel void use(device ulong* out [[buffer(0)]], device const bool* in [[buffer(1)]], uint i [[thread_position_in_grid]]) {
  simd_vote vote = simd_ballot(in[i]);
  simd_vote::vote_t bits = simd_vote::vote_t(vote);
  out[i] = ulong(simd_vote::vote_t(simd_active_threads_mask())) + bits;
  if (simd_all(in[i]) || simd_any(!in[i]) || vote.all() || vote.any()) out[i] += 1;
  if (simd_is_first()) out[i] += 2;
  simd_vote made = simd_vote(5);
  out[i] += made.any();
}
