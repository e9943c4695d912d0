// The part of MetalPerformancePrimitives that multiplies matrices. Its declarations come with those of <metal_tensor>.
#include <metal_tensor>
