// Package house holds the rules of the repository as tests: which package may import what, that
// every package says its duties, and that tables in the documents agree with the code.
package house
