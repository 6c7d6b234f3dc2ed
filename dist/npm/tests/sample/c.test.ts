import { sample } from "./sample.js";

sample("c");
