// Memory as elements of other types than it was declared with.
#pragma once

#include <metal_stdlib>

namespace mettle_kernels {

// A pointer to constant `T` into the memory that `P` points to.
template <typename T, typename P>
struct pointer_like;

#if defined(__METTLE__) && !defined(__METTLE_STRICT__)
// Address spaces are not part of types here.
template <typename T, typename U>
struct pointer_like<T, const U*> {
    typedef const T* type;
};
#else
template <typename T, typename U>
struct pointer_like<T, device const U*> {
    typedef device const T* type;
};

template <typename T, typename U>
struct pointer_like<T, threadgroup const U*> {
    typedef threadgroup const T* type;
};
#endif

// Element i of an array of T at `from`.
template <typename T, typename P>
METAL_FUNC T load_as(P from, uint i)
{
    return reinterpret_cast<typename pointer_like<T, P>::type>(from)[i];
}

template <typename T, typename P>
METAL_FUNC void store_as(threadgroup P* to, uint i, T value)
{
    reinterpret_cast<threadgroup T*>(to)[i] = value;
}

}  // namespace mettle_kernels
