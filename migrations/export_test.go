package migrations

// ApplyFiles is Apply with other files.
var ApplyFiles = applyFiles
