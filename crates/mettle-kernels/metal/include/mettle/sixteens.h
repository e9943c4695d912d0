// The sixteen values that a thread has of a row at a time.
//
// On a CPU they lie side by side, in one vector. On a GPU neighbouring threads take neighbouring values at a time, so that one request
// to memory serves them all: 32 threads share a stretch of 512 values, each with every 32nd of it.
#pragma once

#include <metal_stdlib>
#include <mettle/group.h>
#include <mettle/wide.h>

namespace mettle_kernels {

// Values first, first + step, ... of a row.
struct Sixteen {
    uint first;
    uint step;
};

// Those of a thread of a row. With `interleaved`, a row has a multiple of 32 threads.
METAL_FUNC Sixteen sixteen_of(uint thread_of_row, bool interleaved)
{
    return interleaved ? Sixteen{thread_of_row / 32 * (32 * WIDE) + thread_of_row % 32, 32} : Sixteen{WIDE * thread_of_row, 1};
}

// How many sixteens the threads of a group have of a row of `columns` together. A thread has number thread_index and every further
// by the number of threads: a whole number of SIMD groups, or one.
METAL_FUNC uint sixteens_of(Group group, uint columns)
{
    return group.threads > 1 ? (columns + 32 * WIDE - 1) / (32 * WIDE) * 32 : (columns + WIDE - 1) / WIDE;
}

METAL_FUNC Sixteen sixteen_of(Group group, uint number) { return sixteen_of(number, group.threads > 1); }

#if defined(__METTLE__) && !defined(METTLE_PLAIN_WIDE)
// To memory that is aligned for one value.
METAL_FUNC void store(device bfloat* p, wide x)
{
    typedef uint words __attribute__((ext_vector_type(16)));
    typedef ushort halves __attribute__((ext_vector_type(16)));
    const halves upper = __builtin_convertvector(mettle::round_to_bfloat(__builtin_bit_cast(words, x)), halves);
    __builtin_memcpy(p, &upper, sizeof(upper));
}
#endif

// The values at `at` of a row of `count`; `beyond` behind its end.
template <typename T>
METAL_FUNC wide load(device const T* row, Sixteen at, uint count, float beyond = 0.0f)
{
    if (at.step == 1 && at.first + WIDE <= count) {
        return load(row + at.first);
    }
    wide x = splat(beyond);
#pragma unroll
    for (uint i = 0; i < WIDE; ++i) {
        const uint place = at.first + i * at.step;
        if (place < count) {
            set_element(x, i, float(row[place]));
        }
    }
    return x;
}

// `values` at `at` of a row of `count`, and zero behind its end.
METAL_FUNC wide within(wide values, Sixteen at, uint count)
{
    if (at.first + (WIDE - 1) * at.step < count) {
        return values;
    }
#pragma unroll
    for (uint i = 0; i < WIDE; ++i) {
        if (at.first + i * at.step >= count) {
            set_element(values, i, 0.0f);
        }
    }
    return values;
}

// Writes the values at `at` of a row of `count`.
template <typename T>
METAL_FUNC void store(device T* row, Sixteen at, uint count, wide x)
{
    if (at.step == 1 && at.first + WIDE <= count) {
        store(row + at.first, x);
        return;
    }
#pragma unroll
    for (uint i = 0; i < WIDE; ++i) {
        const uint place = at.first + i * at.step;
        if (place < count) {
            row[place] = T(element(x, i));
        }
    }
}

}  // namespace mettle_kernels
