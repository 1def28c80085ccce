package bundle

// Text is the JSON inside an encoded bundle, DecodeText reads it.
var (
	Text       = gunzip
	DecodeText = decodeText
)
