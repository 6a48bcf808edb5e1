package fakeserver

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"sync"
)

// RecordEnv names the environment variable that makes every fake of a process
// write its traffic to a file of that folder, one JSON object a line, for checks
// against the official API descriptions.
const RecordEnv = "MAILTETHER_TRAFFIC"

var openRecording = sync.OnceValue(func() *json.Encoder {
	dir := os.Getenv(RecordEnv)
	if dir == "" {
		return nil
	}
	f, err := os.CreateTemp(dir, filepath.Base(os.Args[0])+"-"+strconv.Itoa(os.Getpid())+"-*.jsonl")
	if err != nil {
		panic("fakeserver: " + err.Error()) // a check that silently checks nothing is worse
	}
	return json.NewEncoder(f)
})

var recordLock sync.Mutex

// record appends x to the recording, if there is one.
func record(x Exchange) {
	if enc := openRecording(); enc != nil {
		recordLock.Lock()
		defer recordLock.Unlock()
		if err := enc.Encode(x); err != nil {
			panic("fakeserver: " + err.Error())
		}
	}
}
