// Atomic operations, each by every thread of a grid.
#include <metal_stdlib>
using namespace metal;

// What every thread does to the same variables.
kernel void atomics(device atomic_uint* unsigneds [[buffer(0)]], device atomic_int* signeds [[buffer(1)]],
                    device atomic_float* floats [[buffer(2)]], device atomic_ulong* longs [[buffer(3)]],
                    device atomic_bool* flags [[buffer(4)]], device uint* tickets [[buffer(5)]],
                    uint i [[thread_position_in_grid]]) {
  tickets[i] = atomic_fetch_add_explicit(&unsigneds[0], 1, memory_order_relaxed);
  atomic_fetch_sub_explicit(&unsigneds[1], 2, memory_order_relaxed);
  atomic_fetch_min_explicit(&unsigneds[2], i + 7, memory_order_relaxed);
  atomic_fetch_max_explicit(&unsigneds[3], i, memory_order_relaxed);
  atomic_fetch_and_explicit(&unsigneds[4], ~(1u << (i % 16)), memory_order_relaxed);
  atomic_fetch_or_explicit(&unsigneds[5], 1u << (i % 32), memory_order_relaxed);
  atomic_fetch_xor_explicit(&unsigneds[6], i, memory_order_relaxed);
  // Adds i by comparing and exchanging.
  uint expected = atomic_load_explicit(&unsigneds[7], memory_order_relaxed);
  while (!atomic_compare_exchange_weak_explicit(&unsigneds[7], &expected, expected + i, memory_order_relaxed,
                                                memory_order_relaxed)) {
  }
  // What is taken out is put elsewhere, so that nothing is lost.
  atomic_fetch_add_explicit(&unsigneds[9], atomic_exchange_explicit(&unsigneds[8], i, memory_order_relaxed),
                            memory_order_relaxed);

  const int s = int(i) - 500;
  atomic_fetch_add_explicit(&signeds[0], s, memory_order_relaxed);
  atomic_fetch_min_explicit(&signeds[1], s, memory_order_relaxed);
  atomic_fetch_max_explicit(&signeds[2], s, memory_order_relaxed);
  atomic_fetch_add_explicit(&floats[0], 0.5f, memory_order_relaxed);
  atomic_fetch_sub_explicit(&floats[1], 0.25f, memory_order_relaxed);
  atomic_fetch_add_explicit(&longs[0], 1ul << 33, memory_order_relaxed);
  atomic_max_explicit(&longs[1], ulong(i) << 40, memory_order_relaxed);
  atomic_min_explicit(&longs[2], (ulong(i) + 1) << 40, memory_order_relaxed);
  if (i == 77) {
    atomic_store_explicit(&flags[0], true, memory_order_relaxed);
    atomic_thread_fence(mem_flags::mem_device, memory_order_seq_cst);
    atomic_store_explicit(&signeds[3], -3, memory_order_relaxed);
    atomic_store_explicit(&floats[2], atomic_load_explicit(&floats[3], memory_order_relaxed) * 2, memory_order_relaxed);
  }
}
