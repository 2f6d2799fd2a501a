// How PyTorch orders the elements of the arrays that foal keeps in another order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/model/description.hpp>

namespace foal::checkpoint {

/// What stands before the name of a parameter where a tensor is a state of it: "optimizer.0.3.linear.weight".
inline constexpr char const *optimizer_prefix = "optimizer.", *delay_prefix = "delay.";

/// foal            PyTorch
/// linear [in, out]           weight [out, in]
/// conv [row, column, in, out]  weight [out, in, row, column]
/// everything else: the same extents in the same order.
/// After a flatten foal's features are ordered (row, column, channel), PyTorch's (channel, row, column): the inputs of the
/// first linear layer, and the vectors of a batch norm before it, are reordered too. A user's layer is taken as it declares
/// itself, unless it is named linear or conv with a weight of as many extents.
struct array_layout {
  enum class kind { same, linear, conv, features } how = kind::same;
  std::vector<std::uint64_t> shape;  ///< PyTorch's
  foal::shape extent{};              ///< foal's
  foal::shape flattened{};           ///< the feature map whose elements its inputs (or features) are; rank 0: none

  /// Where element i of foal's array is in PyTorch's.
  std::size_t place(std::size_t i) const {
    auto const at = [this](int d) { return static_cast<std::size_t>(extent.extent[d]); };
    switch (how) {
      case kind::linear:
        return i % at(1) * at(0) + feature(i / at(1));
      case kind::conv: {
        std::size_t const out = i % at(3), in = i / at(3) % at(2), position = i / at(3) / at(2);
        return (out * at(2) + in) * at(0) * at(1) + position;
      }
      case kind::features:
        return feature(i);
      case kind::same:
        break;
    }
    return i;
  }

 private:
  std::size_t feature(std::size_t i) const {
    if (flattened.rank == 0) return i;
    auto const channels = static_cast<std::size_t>(flattened.channels());
    auto const positions = static_cast<std::size_t>(flattened.height()) * static_cast<std::size_t>(flattened.width());
    return i % channels * positions + i / channels;
  }
};

/// The layouts of a model's arrays, found by following its feature maps through flatten.
class layouts {
 public:
  /// rows: of a model_description. Throws foal::error where a layer behind a flatten has an order that PyTorch cannot have.
  layouts(model_row const* rows, int size) {
    foal::shape open[most_entries]{};  // of each entry: the feature map that it is the flattened form of
    for (int i = 0; i < size; ++i) {
      model_row const& r = rows[i];
      foal::shape& map = open[r.entry];
      if (r.kind != foal::detail::item_kind::layer) {
        require(
            map.rank == 0 && open[0].rank == 0, "cannot give these weights PyTorch's order, because a skip connection ",
            "begins or ends between a flatten and the first linear layer behind it; begin and end it before the flatten");
        continue;
      }
      std::string const name = r.info->name;
      int const parameters = r.info->parameters(r.in).size;
      if (flattened_.size() <= static_cast<std::size_t>(r.number)) {
        flattened_.resize(static_cast<std::size_t>(r.number) + 1);
        name_.resize(static_cast<std::size_t>(r.number) + 1);
      }
      flattened_[static_cast<std::size_t>(r.number)] = map;
      name_[static_cast<std::size_t>(r.number)] = name;
      if (r.in.rank == 3 && r.out.rank == 1 && r.in.size() == r.out.size()) {
        if (r.in.channels() > 1 && r.in.height() * r.in.width() > 1) map = r.in;
      } else if (name == "linear") {
        map = {};
      } else if (map.rank != 0) {
        require((parameters == 0 || name == "batch_norm") && r.in == r.out,
                "cannot give these weights PyTorch's order, because layer ", r.number, " (", name,
                ") stands between a flatten and the first linear layer behind it and its order is not known there; put it "
                "before the flatten");
      }
    }
  }

  /// Of a parameter, or of a statistic, of a layer.
  array_layout of(int layer_number, parameter const& p) const {
    auto const n = static_cast<std::size_t>(layer_number);
    array_layout a;
    a.extent = p.extent;
    auto const e = [&p](int d) { return static_cast<std::uint64_t>(p.extent.extent[d]); };
    foal::shape const& map = flattened_[n];
    if (name_[n] == "linear" && p.extent.rank == 2) {
      a.how = array_layout::kind::linear;
      a.flattened = map;
      a.shape = {e(1), e(0)};
    } else if (name_[n] == "conv" && p.extent.rank == 4) {
      a.how = array_layout::kind::conv;
      a.shape = {e(3), e(2), e(0), e(1)};
    } else {
      for (int d = 0; d < p.extent.rank; ++d) a.shape.push_back(e(d));
      if (map.rank != 0 && name_[n] == "batch_norm" && p.extent.size() == map.size()) {
        a.how = array_layout::kind::features;
        a.flattened = map;
      }
    }
    return a;
  }

 private:
  std::vector<foal::shape> flattened_;  ///< by layer number: of what its inputs are the flattened form
  std::vector<std::string> name_;
};

}  // namespace foal::checkpoint
