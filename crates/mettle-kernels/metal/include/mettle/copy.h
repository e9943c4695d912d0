// Copies from device to threadgroup memory that go on while a thread computes.
//
// On Apple GPUs the thread loads a value when a copy starts and stores it when the copy is finished: what it computes in
// between does not wait for memory. With our own compiler on NVIDIA GPUs the copy is asynchronous and needs no registers.
//
// A copy is started, maybe with a value in place of an address, and finished with the same destination; after the last one
// `finish_copies` is called. Other threads see what was copied after the next barrier.
//
// `start_copy` starts one that is not finished by the thread: those that it closes together are a group, and groups are waited for in
// their order. Where there are no asynchronous copies it copies at once.
#pragma once

#include <metal_stdlib>

using namespace metal;

namespace mettle_kernels {

// T is uint or uint4; both addresses are multiples of its size.
template <typename T>
struct register_copy {
    T value;
};

METAL_FUNC void start(thread register_copy<uint>& copy, threadgroup uint*, device const uint* from)
{
    copy.value = *from;
}

// One by one: what our compiler is to load at once must not be a copy of a class.
METAL_FUNC void start(thread register_copy<uint4>& copy, threadgroup uint4*, device const uint4* from)
{
    copy.value = uint4(from->x, from->y, from->z, from->w);
}

template <typename T>
METAL_FUNC void start_with(thread register_copy<T>& copy, threadgroup T*, T value)
{
    copy.value = value;
}

template <typename T>
METAL_FUNC void finish(thread const register_copy<T>& copy, threadgroup T* to)
{
    *to = copy.value;
}

#ifdef __METTLE__
template <typename T>
using copy = mettle::copy_or<T, register_copy<T>>;
using mettle::close_copies;
using mettle::finish_copies;
using mettle::start_copy;
using mettle::wait_for_copies;
#else
template <typename T>
using copy = register_copy<T>;

METAL_FUNC void finish_copies() {}

// Of 4, 8 or 16 bytes, to and from addresses that are multiples of its size; of zeros unless the value is `there`.
template <typename T>
METAL_FUNC void start_copy(threadgroup T* to, device const T* from, bool there)
{
    *to = there ? *from : T(0);
}

// What the thread started since the last call, if anything, is a group from now on.
METAL_FUNC void close_copies() {}

// Waits for the thread's groups but the LATER last ones.
template <uint LATER>
METAL_FUNC void wait_for_copies()
{
}
#endif

}  // namespace mettle_kernels
