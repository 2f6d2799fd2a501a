// expected-error: unmatched skip: cannot end the model, because what this foal::save kept is never added
// A skip that begins and never ends.
#include <foal/layer/linear.hpp>
#include <foal/model/stages.hpp>

struct shortcut_tag {};
struct net : foal::stages<foal::input<8>, foal::linear<8>, foal::save<shortcut_tag>, foal::linear<8>> {};

int main() { return foal::stage_count<net>; }
