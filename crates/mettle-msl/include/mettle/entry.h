// What the generated entries of a kernel are made of. On a CPU an entry fetches the kernel's arguments from a Launch and
// calls the kernel for one thread (`run_thread`) or, in a loop, for all threads of the group (`run_group`). On an NVIDIA
// GPU the arguments are parameters of the entry, which calls the kernel once.
#pragma once

#include "abi.h"
#include "traits.h"
#include "vec.h"

namespace mettle {

// A position or a size in three dimensions; kernels may ask for the first one or two only.
struct Position {
  uint x, y, z;
};

// One thread of a group.
struct Thread {
  uint index;     // x fastest, then y, then z
  Position place;
};

template <class T>
struct position_as {
  METTLE_INLINE static T from(Position p) { return static_cast<T>(p.x); }
  METTLE_INLINE static T from(uint n) { return static_cast<T>(n); }
};
template <class T>
struct position_as<metal::vec<T, 2>> {
  METTLE_INLINE static metal::vec<T, 2> from(Position p) { return {static_cast<T>(p.x), static_cast<T>(p.y)}; }
};
template <class T>
struct position_as<metal::vec<T, 3>> {
  METTLE_INLINE static metal::vec<T, 3> from(Position p) {
    return {static_cast<T>(p.x), static_cast<T>(p.y), static_cast<T>(p.z)};
  }
};

// An argument kept by its address.
template <class P>
struct Pointed;
template <class T>
struct Pointed<T*> {
  T* at;
  explicit METTLE_INLINE Pointed(void* p) : at(static_cast<T*>(p)) {}
  METTLE_INLINE operator T*() const { return at; }
};
template <class T>
struct Pointed<T&> {
  T* at;
  explicit METTLE_INLINE Pointed(void* p) : at(static_cast<T*>(p)) {}
  METTLE_INLINE operator T&() const { return *at; }
};

// A `constant T&` kept as a copy: nothing the kernel writes can change it, so that its members stay in registers.
template <class P>
struct Copied;
template <class T>
struct Copied<const T&> {
  T value;
  explicit METTLE_INLINE Copied(void* p) : value(*static_cast<const T*>(p)) {}
  METTLE_INLINE operator const T&() const { return value; }
};

// How an argument that may be copied is kept: large ones stay where they are.
template <bool Copy, class P>
struct value_holder {
  using type = Pointed<P>;
};
template <class T>
struct value_holder<true, const T&> {
  using type = metal::conditional_t<(sizeof(T) > 256), Pointed<const T&>, Copied<const T&>>;
};

// Parameters of a kernel function by their index.
template <class F>
struct Signature;
template <class... P>
struct Signature<void (*)(P...)> {
  template <int I, class First, class... Rest>
  struct nth {
    using type = typename nth<I - 1, Rest...>::type;
  };
  template <class First, class... Rest>
  struct nth<0, First, Rest...> {
    using type = First;
  };
  template <int I>
  using parameter = typename nth<I, P...>::type;

  template <int I>
  METTLE_INLINE static Pointed<parameter<I>> pointer(void* p) {
    return Pointed<parameter<I>>(p);
  }
  // Whole: for a run of many threads, which is worth a copy.
  template <int I, bool Whole>
  METTLE_INLINE static auto value(void* p) {
    return typename value_holder<Whole, parameter<I>>::type(p);
  }
  template <int I, class V>
  METTLE_INLINE static parameter<I> position(V v) {
    return position_as<parameter<I>>::from(v);
  }
};

// The threadgroup as its threads see it. Members are named by the attributes they answer.
struct Group {
  Position grid, groups, dispatched, size, place;

#ifdef METTLE_PTX
  // The group of the calling thread.
  explicit METTLE_INLINE Group(const Dispatch& d)
      : grid(of(d.threads_per_grid)),
        groups(of(d.threadgroups_per_grid)),
        dispatched(of(d.threads_per_threadgroup)),
        size{uint(__nvvm_read_ptx_sreg_ntid_x()), uint(__nvvm_read_ptx_sreg_ntid_y()),
             uint(__nvvm_read_ptx_sreg_ntid_z())},
        place{d.origin[0] + uint(__nvvm_read_ptx_sreg_ctaid_x()), d.origin[1] + uint(__nvvm_read_ptx_sreg_ctaid_y()),
              d.origin[2] + uint(__nvvm_read_ptx_sreg_ctaid_z())} {}

  METTLE_INLINE Thread thread() const {
    const Position at = {uint(__nvvm_read_ptx_sreg_tid_x()), uint(__nvvm_read_ptx_sreg_tid_y()),
                         uint(__nvvm_read_ptx_sreg_tid_z())};
    return {(at.z * size.y + at.y) * size.x + at.x, at};
  }
#else
  explicit METTLE_INLINE Group(const Launch& l)
      : grid(of(l.threads_per_grid)),
        groups(of(l.threadgroups_per_grid)),
        dispatched(of(l.threads_per_threadgroup)),
        size(of(l.threadgroup_size)),
        place(of(l.threadgroup_position)) {}

  METTLE_INLINE Thread thread(uint index) const {
    return {index, {index % size.x, index / size.x % size.y, index / (size.x * size.y)}};
  }
#endif

  METTLE_INLINE static Position of(const uint (&v)[3]) { return {v[0], v[1], v[2]}; }
  METTLE_INLINE static uint volume(Position p) { return p.x * p.y * p.z; }
  METTLE_INLINE static uint simdgroups(Position p) { return (volume(p) + simd_width - 1) / simd_width; }

  METTLE_INLINE Position thread_position_in_grid(const Thread& t) const {
    return {place.x * dispatched.x + t.place.x, place.y * dispatched.y + t.place.y, place.z * dispatched.z + t.place.z};
  }
  METTLE_INLINE Position thread_position_in_threadgroup(const Thread& t) const { return t.place; }
  METTLE_INLINE Position threadgroup_position_in_grid(const Thread&) const { return place; }
  METTLE_INLINE Position threads_per_threadgroup(const Thread&) const { return size; }
  METTLE_INLINE Position dispatch_threads_per_threadgroup(const Thread&) const { return dispatched; }
  METTLE_INLINE Position threads_per_grid(const Thread&) const { return grid; }
  METTLE_INLINE Position threadgroups_per_grid(const Thread&) const { return groups; }
  METTLE_INLINE uint thread_index_in_threadgroup(const Thread& t) const { return t.index; }
  METTLE_INLINE uint thread_index_in_simdgroup(const Thread& t) const { return t.index % simd_width; }
  METTLE_INLINE uint simdgroup_index_in_threadgroup(const Thread& t) const { return t.index / simd_width; }
  METTLE_INLINE uint simdgroups_per_threadgroup(const Thread&) const { return simdgroups(size); }
  METTLE_INLINE uint dispatch_simdgroups_per_threadgroup(const Thread&) const { return simdgroups(dispatched); }
  METTLE_INLINE uint threads_per_simdgroup(const Thread&) const { return simd_width; }
  METTLE_INLINE uint thread_index_in_quadgroup(const Thread& t) const { return t.index % 4; }
  METTLE_INLINE uint quadgroup_index_in_threadgroup(const Thread& t) const { return t.index / 4; }
  METTLE_INLINE uint quadgroups_per_threadgroup(const Thread&) const { return (volume(size) + 3) / 4; }
};

#ifdef METTLE_PTX

// The dynamic shared memory of a launch; arguments of a kernel are offsets in it.
extern __attribute__((shared, aligned(16))) char dynamic_threadgroup_memory[];

// What the entry takes for a parameter of the kernel that is bound to a buffer...
template <class P>
struct buffer_parameter;
template <class T>
struct buffer_parameter<T*> {
  using type = T*;
};
template <class T>
struct buffer_parameter<T&> {
  using type = T*;
};
// ... and to a value.
template <class P>
struct value_parameter;
template <class T>
struct value_parameter<const T&> {
  struct type {
    T value;
  };
};

#else

template <class Kernel>
METTLE_INLINE void run_thread(const Launch& launch, Kernel kernel, uint index) {
  const Group group(launch);
  kernel(group, group.thread(index));
}

template <class Kernel>
METTLE_INLINE void run_group(const Launch& launch, Kernel kernel) {
  const Group group(launch);
  uint row = 0;
  for (uint z = 0; z < group.size.z; z++)
    for (uint y = 0; y < group.size.y; y++) {
      for (uint x = 0; x < group.size.x; x++) kernel(group, Thread{row + x, {x, y, z}});
      row += group.size.x;
    }
}

#endif  // METTLE_PTX

}  // namespace mettle
