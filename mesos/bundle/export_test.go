package bundle

// Text is the JSON inside an encoded bundle.
var Text = gunzip
