// Labelled images by the name of their kind and place, as options of programs give them.
#pragma once

#include <string>

#include <foal/data/cifar10.hpp>
#include <foal/data/gzip.hpp>
#include <foal/data/handwritten.hpp>
#include <foal/data/idx.hpp>

namespace resnet {

/// "digits:DIR" or "mnist:DIR" (IDX files, .gz too), "cifar10:DIR", or "handwritten", which foal writes itself. Throws
/// foal::error for anything else.
inline foal::data::dataset load(std::string const& what) {
  std::size_t const colon = what.find(':');
  std::string const kind = what.substr(0, colon), place = colon == std::string::npos ? "" : what.substr(colon + 1);
  if (what == "handwritten") return foal::data::handwritten({.seed = 1});
  foal::require(kind == "digits" || kind == "mnist" || kind == "cifar10", "cannot load '", what, "', because '", kind,
                "' is no kind of data; write digits:DIR, mnist:DIR, cifar10:DIR, or handwritten");
  foal::require(!place.empty(), "cannot load '", what, "', because it names no directory; write ", kind, ":DIR");
  return kind == "cifar10" ? foal::data::cifar10(place) : foal::data::idx(place, foal::data::gzip{});
}

}  // namespace resnet
