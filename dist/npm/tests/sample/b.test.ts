import { sample } from "./sample.js";

sample("b");
