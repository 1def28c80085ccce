//go:build race

package verifier_test

// raceDetector slows everything down ten times and more.
const raceDetector = true
