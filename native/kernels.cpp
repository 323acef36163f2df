// The hot loops, compiled once per instruction set level (SMALTI_LEVEL names it): the table that
// dispatch.cpp chooses from. What each does is in core.hpp, how in the headers named here.
#include "kernels/activity.hpp"
#include "kernels/arrange.hpp"
#include "kernels/bands.hpp"
#include "kernels/color_codes.hpp"
#include "kernels/diffusion.hpp"
#include "kernels/divide.hpp"
#include "kernels/lloyd_step.hpp"
#include "kernels/merges.hpp"
#include "kernels/nearest_entry.hpp"
#include "kernels/nearest_row.hpp"
#include "kernels/oklab.hpp"
#include "kernels/ordered.hpp"
#include "kernels/plus_plus.hpp"
#include "kernels/similarity_maps.hpp"
#include "kernels/survey.hpp"
#include "kernels/trellis.hpp"

namespace smalti {
namespace SMALTI_LEVEL {

#define SMALTI_NAME_(x) #x
#define SMALTI_NAME(x) SMALTI_NAME_(x)
extern const Kernels table;
const Kernels table = {
    SMALTI_NAME(SMALTI_LEVEL),
    step,
    nearest,
    nearest_two,
    divide,
    plus_plus,
    cheapest_merges,
    arrange,
    diffuse,
    order,
    find_bands,
    activity,
    survey,
    trellis,
    morton,
    list_used,
    unmorton,
    oklab,
    nearest_rows,
    maps,
};

}  // namespace SMALTI_LEVEL
}  // namespace smalti
