// What everything below the types works on: a stage as steps over tensors, and functions that know no layer type.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <foal/model/layer_info.hpp>
#include <foal/policy/optim/rule.hpp>

namespace foal::table {

/// Most parameters, buffers or kept entries of one layer (foal::list holds as many).
inline constexpr int most = 4;

/// Most arrays that an optimizer, or a delay policy, has beside a parameter.
inline constexpr int most_states = 4;

/// Most entries of one wire: the activations and the open skips.
inline constexpr int most_wires = 8;

/// What one function of one layer gets. Pointers are device pointers; arrays hold `most` pointers, of which the layer has
/// fewer: the others are null. What the function does not take may be another function's.
struct layer_call {
  void* device = nullptr;
  shape in{}, out{};
  int samples = 0, microbatches = 1;
  foal::phase phase = phase::train;
  random_key random{};
  void* scratch = nullptr;
  void* buffers[most]{};
  void* w[most]{};
  void* dw[most]{};
  void const* x = nullptr;
  void* y = nullptr;
  void const* saved_x = nullptr;
  void const* saved_y = nullptr;
  void* entry[most]{};
  void const* dy = nullptr;
  void* dx = nullptr;
  void const* read[most_reads]{};
  void* read_gradient[most_reads]{};
  shape read_shape[most_reads]{};
  sample_bounds bounds{}, read_bounds[most_reads]{};
  int* refused = nullptr;                       ///< takes the number, in the stage, of a statistic that would not be finite
  int first_buffer = 0;                         ///< number, in the stage, of the layer's first
  segment_range segment{};                      ///< of the sequence that is here
  earlier_segments earlier{};                   ///< what the ones before it have kept; of layers that carry
  std::uint64_t const* first_sample = nullptr;  ///< on an asynchronous device, in its memory, in place of random.sample
};

using layer_function = void (*)(layer_call const&);

/// A layer's functions for one device and scalar type. backward is the fused one where the layer has it, else null.
struct layer_functions {
  layer_function forward = nullptr, backward_input = nullptr, backward_weight = nullptr, backward = nullptr;
  bool drops_out = false;     ///< by the device, which finds the sample in the unit's block
  bool draws_itself = false;  ///< by the sample that the call has
  bool looks_late = false;    ///< it moves statistics without a look where nobody hears of it
  bool segments = true;       ///< the device has what it calls for sequences in segments
};

/// Where a tensor lives. wire_in, wire_out: the ring of the wire from the stage before, or to the stage after; gradient_in,
/// gradient_out: the ring of the gradient from the stage after, or to the stage before; kept: a ring of the stage, from F to
/// B or W; temporary: the worker's, for the time of one op; error: the stage's, one for the whole run (error feedback).
enum class place { wire_in, wire_out, gradient_in, gradient_out, kept, temporary, error };

/// How an array is kept in place of its elements: row by row as the code of a codec.
struct encoding {
  int codec = -1;             ///< in run_tables::codecs; -1: it is kept as it is
  int row = 1;                ///< elements of a row
  std::size_t row_bytes = 0;  ///< of the code of a row

  constexpr bool coded() const { return codec >= 0; }
  constexpr bool operator==(encoding const&) const = default;
};

/// Bytes of n elements, which are whole rows where they are coded.
constexpr std::size_t bytes_of(element type, encoding const& code, long long n) {
  return code.coded() ? static_cast<std::size_t>(n / code.row) * code.row_bytes : foal::bytes_of(type, n);
}

/// One array of a stage, for one microbatch.
struct tensor {
  amount elements{};
  shape sample{};                   ///< of activations and their gradients: what one sample has at most; else empty
  element type = element::float32;  ///< of its elements, as steps take them
  encoding code{};                  ///< in which it is kept
  bool exact = false;               ///< it is kept as it is, whatever the policies say
  place where = place::temporary;
  int wire = 0;                 ///< entry of the wire, for the first four places
  until last = until::forward;  ///< how long it is needed, for wires and kept
  bool backward = false;        ///< temporary of B rather than of F
  bool weight = false;          ///< temporary of W rather than of B
  int first_step = -1, last_step = -1;

  constexpr std::size_t bytes(int samples) const { return bytes_of(type, code, elements.of(samples)); }
  /// Of activations in a microbatch of these lengths.
  constexpr long long count(int samples, lengths_of_axes const& n) const {
    return static_cast<long long>(at_length(sample, n).size()) * samples_at(sample, n, samples);
  }
  /// Elements in a microbatch of these lengths that a conversion takes: of what is no activation, all.
  constexpr long long used(int samples, lengths_of_axes const& n) const {
    return sample.rank > 0 ? count(samples, n) : elements.of(samples);
  }
};

/// What a layer sees of the activations kept for a microbatch, by tensor number; -1: none.
struct kept_tensors {
  int x = -1, y = -1;  ///< its input and output while kept
  int entries = 0;     ///< that the layer keeps
  int entry[most]{-1, -1, -1, -1};
  int read[most_reads]{-1, -1};
};

/// One thing to do within an op; tensors by number, -1: none.
struct step {
  /// decode: from the code in which x is kept; encode: to that of y, where `other` may be the error that is fed back.
  enum class kind { layer, copy, add, zero, decode, encode } what = kind::layer;
  int layer = 0;       ///< row of stage_table::layers
  int x = -1, y = -1;  ///< forward: from, to.  backward: y is dy, x is dx.  add: y = x + other.  zero: y = 0
  int other = -1;
  int scratch = -1;
  int read[most_reads] = {-1, -1};           ///< other entries that the layer reads
  int read_gradient[most_reads] = {-1, -1};  ///< backward: where it adds their gradients
  kept_tensors kept{};                       ///< of a layer: as in its row, or decoded copies
};

/// One layer of a stage, with the tensors in which it keeps what its backward needs.
struct layer_row : kept_tensors {
  char const* name = "";
  int number = 0;  ///< global layer number
  shape in{}, out{};
  int first_parameter = 0, parameters = 0, first_buffer = 0, buffers = 0;
  bool input_gradient = true;  ///< false where nothing below trains
  bool trains = false;         ///< it has parameters that are not frozen
  bool early = false;          ///< its weight gradient belongs to B even where W is an op of its own (tied parameters)
  bool carries = false;        ///< sequences come in segments, and later ones read what it has kept
  int reads = 0;               ///< entries that it reads beside its input
  shape read_shape[most_reads]{};
  int least_samples = 1;
  layer_functions call{};
};

/// trained: U changes it. borrowed: tied; the stage has a copy and adds up a gradient, its home updates. frozen: it stays.
enum class ownership { trained, borrowed, frozen };

/// A parameter or a buffer of a stage.
struct parameter_row {
  std::string name;  ///< as "3.linear.weight": global layer number, layer, parameter
  int layer = 0;     ///< row of stage_table::layers
  int number = 0;    ///< global layer number
  int index = 0;     ///< its number within the layer
  parameter what{};
  element type = element::float32;  ///< of its values here, which are the true ones; other forms are derived from them
  long long offset = 0, size = 0;
  long long backward_offset = -1;  ///< place among the parameters that B reads at another version; -1: none
  ownership kind = ownership::trained;
  int optimizer = 0;                                                 ///< which of the policy's optimizers updates it
  optim::parameter_rule rule{};                                      ///< the optimizer's for it
  long long state_offset[most_states]{}, state_size[most_states]{};  ///< in the stage's arrays of states
  std::size_t update_scratch = 0;                                    ///< bytes that U needs
  int home_stage = -1, home = -1;  ///< borrowed, or tied within the stage: stage and number of the parameter that is shared
};

/// A parameter of this stage that another stage borrows.
struct loan {
  int parameter = 0;  ///< of this stage
  int stage = 0;      ///< the borrower
  int borrowed = 0;   ///< its number there
};

/// One entry of the wire into a stage.
struct wire_entry {
  shape extent{};
  int entry = 0;                    ///< the model's entry number (0: activations)
  until last = until::forward;      ///< how long the receiving stage needs it
  until gradient_last = until::B;   ///< how long the sending stage needs its gradient
  bool gradient = true;             ///< a gradient comes back
  bool exact = false;               ///< it is sent as it is, whatever the policies say
  element type = element::float32;  ///< of the entry and of its gradient
  encoding code{};                  ///< of both, in which they are sent
  int loaded = -1;                  ///< of a model's input that is kept in a code: the tensor it is loaded into

  constexpr std::size_t bytes(int samples) const {
    return bytes_of(type, code, static_cast<long long>(extent.size()) * samples);
  }
};

/// One stage, lowered.
struct stage_table {
  std::vector<layer_row> layers;
  std::vector<tensor> tensors;
  std::vector<step> forward, backward, backward_weight;  ///< the last only where W is an op of its own
  std::vector<parameter_row> parameters, buffers;
  std::vector<loan> loans;
  std::vector<wire_entry> wire_in;  ///< of the first stage: the model's input
  /// Parameters lie in the order trained, borrowed, frozen: the first so many elements are trained, or have a gradient.
  long long weight_elements = 0, trained_elements = 0, gradient_elements = 0;
  long long backward_elements = 0, buffer_elements = 0;
  long long state_elements[most_states]{};  ///< of the optimizer's states
  shape output{};                           ///< of the last stage: what the loss gets
  int output_tensor = -1;                   ///< of the last stage
  int loss_gradient_tensor = -1;            ///< of the last stage
  optim::parameter_rule most_rule{};        ///< no factor of a parameter's is above its
  long long flops = 0;
  bool coded = false;  ///< some tensors are kept in a code: the steps decode and encode them

  bool borrows() const { return gradient_elements > trained_elements; }
  std::string layer_names() const {
    std::string all;
    for (auto const& l : layers) {
      if (!all.empty()) all += ' ';
      all += l.name;
    }
    return all;
  }
};

}  // namespace foal::table
