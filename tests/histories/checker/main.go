// SPDX-License-Identifier: Apache-2.0

// Checks that what clients of one key-value store saw is linearizable:
//
//	history-checker FOLDER LEAST
//
// FOLDER has a file for each client process, whose lines are
//
//	call NUMBER NS KEY VERB ARGUMENT EXPECTED
//	done NUMBER NS OUTCOME VALUE
//
// NS is of one clock of the machine, and "-" an absent value.  LEAST is how many
// calls must have been answered, or the history says nothing.  Exit codes: 0 it
// is linearizable, 1 it is not, 2 it could not be told.
package main

import (
	"bufio"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

const absent = "-"

type call struct {
	key, verb, argument, expected string
}

// What a client was told: "ok", "refused" by a condition, or "doubt".
type answer struct {
	outcome, value string
}

func fail(format string, arguments ...interface{}) {
	fmt.Fprintf(os.Stderr, format+"\n", arguments...)
	os.Exit(2)
}

// What a call that took effect makes of the state, and answers.
func effect(state string, c call) (string, answer) {
	switch c.verb {
	case "get":
		return state, answer{"ok", state}
	case "set":
		return c.argument, answer{"ok", absent}
	case "delete":
		return absent, answer{"ok", strconv.FormatBool(state != absent)}
	case "replace": // where it is as expected
		if state != c.expected {
			return state, answer{"refused", absent}
		}
		return c.argument, answer{"ok", absent}
	case "add":
		number := 0
		if state != absent {
			number, _ = strconv.Atoi(state)
		}
		delta, _ := strconv.Atoi(c.argument)
		sum := strconv.Itoa(number + delta)
		return sum, answer{"ok", sum}
	}
	fail("no verb %q", c.verb)
	return state, answer{}
}

var store = porcupine.Model{
	Init: func() interface{} { return absent },
	Step: func(state, input, output interface{}) (bool, interface{}) {
		next, expected := effect(state.(string), input.(call))
		said := output.(answer)
		return said.outcome == "doubt" || said == expected, next
	},
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byKey := map[string][]porcupine.Operation{}
		for _, operation := range history {
			key := operation.Input.(call).key
			byKey[key] = append(byKey[key], operation)
		}
		var parts [][]porcupine.Operation
		for _, part := range byKey {
			parts = append(parts, part)
		}
		return parts
	},
}

func number(text string) int64 {
	value, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		fail("%q is no number", text)
	}
	return value
}

// A line that a kill has cut is none.
func read(path string, client int) []porcupine.Operation {
	file, err := os.Open(path)
	if err != nil {
		fail("%v", err)
	}
	defer file.Close()
	open := map[string]porcupine.Operation{}
	var operations []porcupine.Operation
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		switch {
		case len(words) == 7 && words[0] == "call":
			open[words[1]] = porcupine.Operation{ClientId: client, Call: number(words[2]),
				Input:  call{words[3], words[4], words[5], words[6]},
				Output: answer{"doubt", absent}, Return: math.MaxInt64}
		case len(words) == 5 && words[0] == "done":
			operation, known := open[words[1]]
			delete(open, words[1])
			if !known {
				fail("%s: %q without its call", path, lines.Text())
			}
			if words[3] == "undone" {
				continue
			}
			operation.Output = answer{words[3], words[4]}
			if words[3] != "doubt" { // else it may take effect later
				operation.Return = number(words[2])
			}
			operations = append(operations, operation)
		}
	}
	for _, operation := range open {
		operations = append(operations, operation)
	}
	return operations
}

// Without what cannot be told from a call that never took effect: a write in
// doubt whose value nobody saw, which may as well come last.
func seen(all []porcupine.Operation) []porcupine.Operation {
	values := map[string]bool{}
	for _, operation := range all {
		values[operation.Output.(answer).value] = true
		values[operation.Input.(call).expected] = true
	}
	var rest []porcupine.Operation
	for _, operation := range all {
		input := operation.Input.(call)
		doubt := operation.Output.(answer).outcome == "doubt"
		writes := input.verb == "set" || input.verb == "replace"
		if doubt && (input.verb == "get" || (writes && !values[input.argument])) {
			continue
		}
		rest = append(rest, operation)
	}
	return rest
}

func main() {
	if len(os.Args) != 3 {
		fail("usage: history-checker FOLDER LEAST")
	}
	paths, _ := filepath.Glob(filepath.Join(os.Args[1], "*.log"))
	var all []porcupine.Operation
	sort.Strings(paths)
	for client, path := range paths {
		all = append(all, read(path, client)...)
	}
	answered := 0
	for _, operation := range all {
		if operation.Output.(answer).outcome != "doubt" {
			answered++
		}
	}
	fmt.Printf("%d clients, %d calls answered, %d in doubt\n", len(paths), answered, len(all)-answered)
	if int64(answered) < number(os.Args[2]) {
		fail("too few calls were answered")
	}
	switch porcupine.CheckOperationsTimeout(store, seen(all), 2*time.Minute) {
	case porcupine.Ok:
	case porcupine.Illegal:
		fmt.Fprintln(os.Stderr, "the history is not linearizable")
		os.Exit(1)
	default:
		fail("two minutes were not enough to check it")
	}
}
