// <MetalPerformancePrimitives/MetalPerformancePrimitives.h>: its declarations come with those of <metal_tensor>.
#include <metal_tensor>
