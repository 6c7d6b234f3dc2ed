import { sample } from "./sample.js";

sample("d");
