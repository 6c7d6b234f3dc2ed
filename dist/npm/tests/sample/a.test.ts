import { sample } from "./sample.js";

sample("a");
