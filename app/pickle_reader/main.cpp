// likeness-pickle-reader SECONDS MEBIBYTES: see core/weights/pickle_reader.h. Not for people.
#include "core/weights/pickle_reader.h"

#include <cstdio>
#include <cstdlib>

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "Likeness starts this program itself, to read pickle files safely.\n");
    return 2;
  }
  return likeness::weights::servePickle(
      {std::strtoull(argv[1], nullptr, 10), std::strtoull(argv[2], nullptr, 10)});
}
