// Command bench converts the same Compose files with skep and with kompose, and writes what comes out side by side: how
// many objects, how many of them an API server refuses, what names nothing, and which keys were dropped without a word.
// docs/compose.md shows it.
//
//	main.go     what is compared, and the table
//	skep.go     skep's side, in process
//	kompose.go  kompose's side: it is built from its own module, and run
//	probe.go    one key of a file removed at a time
package main
