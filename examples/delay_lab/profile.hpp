// How late each stage is: as a schedule makes it, on as many ranks as one likes.
#pragma once

#include <string>
#include <vector>

namespace delay_lab {

/// "none", or "<schedule>-<ranks>", for pipemare and paci with 8 microbatches an update, or "...x<microbatches>".
struct profile {
  std::string name = "none";
  std::string schedule = "none";
  int ranks = 1, microbatches = 1;

  bool late() const { return ranks > 1; }
};

/// Throws foal::error for a name that is none.
profile profile_named(std::string const& name);

/// The delays of a net's stages in microbatches, by foal's own analysis of the schedule. A net of fewer stages than ranks
/// has the first rank's everywhere: the weights that it has stand for those that are the latest.
std::vector<int> delays_of(profile const& p, int stages);

}  // namespace delay_lab
