//go:build race

package integration

// raceDetector tells that everything takes several times as long.
const raceDetector = true
