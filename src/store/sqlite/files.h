#pragma once
// The file system around a database file. Error texts are those of storage-schema §1.
#include <string>

#include "base/result.h"

namespace gw::store::sqlite {

/// The one true name of a file whose folder exists, also before the file does: symbolic links are followed.
std::string canonical_path(const std::string& path);
/// "." when the path names no folder.
std::string parent_folder(const std::string& path);
/// Creates the missing folders above `path`, mode 0755.
Result<bool> make_parent_folder(const std::string& path);
/// Creates an empty file of mode 0600 when there is none (SQLite would make it 0644; its log files inherit the mode).
/// Never opens an existing file: closing a second descriptor of it would drop the locks of this process.
Result<bool> create_private_file(const std::string& path);

}  // namespace gw::store::sqlite
