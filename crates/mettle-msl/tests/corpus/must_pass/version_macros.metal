// MSL 1.6.2 Preprocessor Definitions: the compiler predefines the language version
#include <metal_stdlib>
using namespace metal;

#if !defined(__METAL_VERSION__)
#error "no version"
#endif
constant int version = __METAL_VERSION__;
kernel void use(device int* x [[buffer(0)]]) { x[0] = version; }
