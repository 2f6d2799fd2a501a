# Every public header, by hand, in the order of the house: a row may include only rows above it.
# The test "tree" names each file that is here and not on disk, or on disk and not here.

set(foal_headers
    foal/core/config.hpp
    foal/core/error.hpp
    foal/core/random.hpp
    foal/core/role.hpp
    foal/core/type_list.hpp

    foal/tensor/shape.hpp

    foal/device/contract.hpp
    foal/schedule/op.hpp
    foal/schedule/program.hpp

    foal/clip/clip.hpp
    foal/delay/concept.hpp
    foal/delay/discrepancy_correction.hpp
    foal/delay/none.hpp
    foal/layer/contract.hpp
    foal/lr/base.hpp
    foal/lr/concept.hpp
    foal/lr/reschedule.hpp
    foal/optim/adam.hpp
    foal/optim/concept.hpp
    foal/optim/momentum.hpp
    foal/optim/sgd.hpp
    foal/versions/versions.hpp
    foal/warmup/warmup.hpp
)

# Headers that need more than Eigen and Threads belong to a component of the same name: foal::ranges, foal::gzip, foal::cuda.
set(foal_ranges_headers)
set(foal_gzip_headers)
set(foal_cuda_headers)
