// MSL 2.6 Atomic Data Types: atomic<T> of int, uint, bool, ulong and float, and their short names
#include <metal_stdlib>
using namespace metal;

struct Counters {
  atomic_int signed_count;
  atomic_uint count;
  atomic_bool flag;
  atomic<float> total;
  atomic_float mean;
  atomic_ulong greatest;
};
kernel void use(device Counters& c [[buffer(0)]], device atomic<uint>* n [[buffer(1)]]) {
  threadgroup atomic_uint shared;
  atomic_store_explicit(&shared, 0u, memory_order_relaxed);
  atomic_store_explicit(&c.flag, true, memory_order_relaxed);
  atomic_fetch_add_explicit(n, atomic_load_explicit(&shared, memory_order_relaxed), memory_order_relaxed);
  static_assert(sizeof(atomic_bool) <= 4 && sizeof(atomic_ulong) == 8, "as large as what they hold");
}
