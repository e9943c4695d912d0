// What stands in front of every rewritten unit.
#pragma once

#include "entry.h"
#include "memory.h"
#include "stdlib.h"
